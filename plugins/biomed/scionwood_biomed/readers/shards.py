"""WebDataset shards: tar archives of pictures with a class and a subject, read in place."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, ClassVar, final

import numpy as np
from PIL import Image

from scionwood import Reader, ReadError, Record, WriteError, atomic_path
from scionwood_biomed.readers.bounds import reading
from scionwood_biomed.readers.dicom_file import pseudonym
from scionwood_biomed.readers.pictures import LOSSLESS, PictureReader, decoded, encoded
from scionwood_biomed.readers.tar_index import Member, Sample, index_samples

KIND = "WebDataset shard (.tar)"
PICTURES = tuple(suffix[1:] for suffix in PictureReader.suffixes)
BYTES = 64 << 20
"""The most that one member may have, unless the reader is told otherwise."""


@final
class ShardReader(Reader):
    """Read the samples of a WebDataset shard: `key.png` beside `key.json` or `key.cls`.

    The class is `label` of the JSON or the text of `.cls`; whose image it is, `subject` of the
    JSON, kept as a keyed hash. Other members, pickles among them, are never opened, and nothing is
    ever extracted. The archive is walked once, header after header; then samples are read in place.

    Args:
        path: the file, uncompressed.
        salt: of the hash of the subject; keep it as secret as the data.
        largest: the most bytes of one member.

    Attributes:
        keys: (record,), the names of the samples.
        labels: (record,), the class of each, None where none is stated.
        subjects: (record,), a hash of each one's subject, None where none is stated.

    Shapes: (row, column, channel) float32; one channel, or three.

    Units: 0 black to 1 white.

    Raises:
        ReadError: no tar archive, cut, compressed, damaged, with links, devices, sparse members,
            absolute names or names with `..`, or with a member that is too large.

    Source: the WebDataset format, https://github.com/webdataset/webdataset
    """

    suffixes: ClassVar[tuple[str, ...]] = (".tar",)
    dims = ("row", "column", "channel")
    units: Mapping[str, str] = {"row": "1", "column": "1", "channel": "1", "data": "1"}

    def __init__(self, path: Path, *, salt: str = "", largest: int = BYTES) -> None:
        self.path, self.largest = Path(path), largest
        with reading(self.path, KIND):
            found = index_samples(self.path, largest)
            self._samples = {k: s for k, s in found.items() if any(e in s for e in PICTURES)}
            if not self._samples:
                rule = f"shard: none of its {len(found)} samples has a picture"
                raise ReadError(str(path), rule, f"Pictures end in {', '.join(PICTURES)}")
            self.keys = list(self._samples)
            notes = [self._notes(sample) for sample in self._samples.values()]
        self.labels = [_text(note.get("label")) for note in notes]
        stated = [_text(note.get("subject")) for note in notes]
        self.subjects = [None if name is None else pseudonym(name, salt) for name in stated]

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[Record]:
        for index in range(len(self)):
            yield self.read(index)

    def read(self, index: int) -> Record:
        """The sample of that index, from 0.

        Raises:
            ReadError: its picture is damaged, or has too many pixels.
        """
        key: dict[str, int | str] = {"sample": index}
        for name, values in (("label", self.labels), ("subject", self.subjects)):
            value = values[index]
            if value is not None:
                key[name] = value
        member = self._picture(index)
        with reading(self.path, KIND):
            content = io.BytesIO(self._bytes(member))
            return Record(key, decoded(content, Path(f"{self.path}/{member.name}")))

    def rewrite(
        self, target: Path, function: Callable[[Record], np.ndarray], *, overwrite: bool = False
    ) -> None:
        """Write the shard with other pictures, rounded to their bits; other members stay.

        Raises:
            OutputExistsError: `target` exists and `overwrite` is false.
            WriteError: the shape changed, or the values of a format that loses some.
        """
        changed: dict[str, bytes] = {}
        for index, record in enumerate(self):
            after = np.asarray(function(Record(record.key, record.data.copy())))
            if after.shape != record.data.shape:
                rule = f"the data came back as {after.shape}, it was {record.data.shape}"
                raise WriteError(str(self.path), rule, "A function must keep the shape")
            if (after != record.data).any():
                member = self._picture(index)
                changed[member.name] = self._encoded(member, after)
        with atomic_path(Path(target), overwrite=overwrite) as part:
            if changed:
                _copy(self.path, part, changed)
            else:
                part.write_bytes(self.path.read_bytes())

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write two pictures of 16 x 12 with a class and a subject each."""
        y, x = np.mgrid[0:1:16j, 0:1:12j]
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
            for number, label in enumerate(("cyst", "tumour")):
                picture = io.BytesIO()
                encoded(np.stack([x, y, 0 * x + number / 2], -1), "RGB").save(picture, "PNG")
                note = json.dumps({"label": label, "subject": f"p{number}"}).encode()
                for end, content in (("png", picture.getvalue()), ("json", note)):
                    _add(archive, tarfile.TarInfo(f"{number:06d}.{end}"), content)

    def _notes(self, sample: Sample) -> dict[str, Any]:
        """Label and subject of a sample, as far as it states them."""
        found: dict[str, Any] = {}
        if "cls" in sample:
            found["label"] = self._bytes(sample["cls"]).decode("utf-8").strip()
        if "json" in sample:
            stated = json.loads(self._bytes(sample["json"]))
            if not isinstance(stated, dict):
                rule = f"shard: {sample['json'].name} is no JSON object"
                raise ReadError(str(self.path), rule, 'Such as {"label": "cyst", "subject": "p1"}')
            found |= {name: stated[name] for name in ("label", "subject") if name in stated}
        return found

    def _picture(self, index: int) -> Member:
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index}: {self.path.name} has {len(self)}. Choose one")
        sample = self._samples[self.keys[index]]
        return next(sample[end] for end in PICTURES if end in sample)

    def _bytes(self, member: Member) -> bytes:
        # Opened each time: workers that share a file handle would move it under each other.
        with self.path.open("rb") as file:
            file.seek(member.offset)
            return file.read(member.size)

    def _encoded(self, member: Member, values: np.ndarray) -> bytes:
        with Image.open(io.BytesIO(self._bytes(member))) as image:
            kind, mode = str(image.format), image.mode
        if kind not in LOSSLESS:
            raise WriteError(
                f"{self.path}/{member.name}", f"{kind} loses values", "Convert it to PNG first"
            )
        content = io.BytesIO()
        encoded(values, mode).save(content, kind)
        return content.getvalue()


def _text(value: Any) -> str | None:
    """A label or a subject as text; None where it is empty or neither text nor an integer."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return re.sub(r"\s+", " ", str(value)).strip() or None


def _copy(source: Path, target: Path, changed: Mapping[str, bytes]) -> None:
    """Copy an archive, with other content under some names."""
    with tarfile.open(source, "r:") as before, tarfile.open(target, "w") as after:
        for info in before:
            old = before.extractfile(info)
            content: IO[bytes] | None = old
            if info.name in changed:
                info.size, content = len(changed[info.name]), io.BytesIO(changed[info.name])
            after.addfile(info, content)


def _add(archive: tarfile.TarFile, info: tarfile.TarInfo, content: bytes) -> None:
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))
