"""WebDataset shards: tar archives of pictures with a class and a subject, read in place."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, ClassVar, TypeAlias, final

import numpy as np
from PIL import Image

from scionwood import ReadError, Record, WriteError
from scionwood.authoring import (
    RecordFunction,
    TarMember,
    atomic_path,
    reading,
    tar_members,
    writing,
)
from scionwood_biomed.readers.base import IndexedReader, new_data
from scionwood_biomed.readers.pictures import LOSSLESS, PictureReader, decoded, encoded
from scionwood_deid import pseudonym

KIND = "WebDataset shard (.tar)"
PICTURES = tuple(suffix[1:] for suffix in PictureReader.suffixes)
BYTES = 64 << 20
"""Maximum size of one member in bytes, unless the reader is told otherwise."""

Sample: TypeAlias = dict[str, TarMember]
"""The members of one sample by their ending, in lower case and without a dot."""

_KEY = re.compile(r"((?:.*/)?[^/.]+)\.([^/]+)")
"""A sample's name ends at the first dot of the file name, as in WebDataset."""


@final
class ShardReader(IndexedReader):
    """Read the samples of a WebDataset shard: `key.png` beside `key.json` or `key.cls`.

    The class is the text of `.cls` or `label` of the JSON. The subject is `subject` of the JSON,
    kept as a keyed hash. Other members, such as pickles, are never opened, and nothing is
    extracted. The headers of the archive are read once; samples are then read in place.

    Args:
        path: the file, uncompressed.
        salt: key of the hash of the subject; keep it as secret as the data.
        largest: maximum size of one member in bytes.

    Attributes:
        keys: (record,), the names of the samples.
        labels: (record,), the class of each sample, `None` if not stated.
        subjects: (record,), a hash of each sample's subject, `None` if not stated.

    Shapes: (row, column, channel) float32 with one channel, or three.

    Units: data from 0 (black) to 1 (white).

    Raises:
        ReadError: the file is not a tar archive, is compressed, truncated or damaged, holds links,
            devices, sparse members, absolute names or names with `..`, repeats a name, or has a
            member that is too large.

    Source: the WebDataset format, https://github.com/webdataset/webdataset
    """

    suffixes: ClassVar[tuple[str, ...]] = (".tar",)
    dims = ("row", "column", "channel")
    units: Mapping[str, str] = {"row": "1", "column": "1", "channel": "1", "data": "1"}

    def __init__(self, path: str | Path, *, salt: str = "", largest: int = BYTES) -> None:
        self.path, self.largest = Path(path), largest
        with reading(self.path, KIND):
            samples = _index(self.path, largest)
            self._samples = {k: s for k, s in samples.items() if any(e in s for e in PICTURES)}
            if not self._samples:
                rule = f"shard: none of its {len(samples)} samples has a picture"
                raise ReadError(str(path), rule, f"Store pictures as {', '.join(PICTURES)}")
            self.keys = list(self._samples)
            notes = [self._notes(sample) for sample in self._samples.values()]
        self.labels = [_text(note.get("label")) for note in notes]
        subject_names = [_text(note.get("subject")) for note in notes]
        self.subjects = [None if name is None else pseudonym(name, salt) for name in subject_names]

    def __len__(self) -> int:
        return len(self.keys)

    def read(self, index: int) -> Record:
        """Read a sample by its index, from 0.

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
        self, target: str | Path, function: RecordFunction, *, overwrite: bool = False
    ) -> None:
        """Write a copy of the shard with new pictures, rounded to their bit depth.

        Other members are copied.

        Raises:
            OutputExistsError: `target` exists and `overwrite` is false.
            WriteError: the target cannot be written, the shape changed, or the values of a lossy
                format changed.
        """
        changed: dict[str, bytes] = {}
        for index, record in enumerate(self):
            after = new_data(self.path, record, function)
            if after is not None:
                member = self._picture(index)
                changed[member.name] = self._encoded(member, after)
        with writing(target), atomic_path(target, overwrite=overwrite) as part:
            if changed:
                _copy(self.path, part, changed)
            else:
                part.write_bytes(self.path.read_bytes())

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write two pictures of 16 x 12 pixels, each with a class and a subject."""
        y, x = np.mgrid[0:1:16j, 0:1:12j]
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
            for number, label in enumerate(("cyst", "tumour")):
                picture = io.BytesIO()
                encoded(np.stack([x, y, 0 * x + number / 2], -1), "RGB").save(picture, "PNG")
                note = json.dumps({"label": label, "subject": f"p{number}"}).encode()
                for end, content in (("png", picture.getvalue()), ("json", note)):
                    _add(archive, tarfile.TarInfo(f"{number:06d}.{end}"), content)

    def _notes(self, sample: Sample) -> dict[str, Any]:
        """Return the label and the subject of a sample, if it states them."""
        notes: dict[str, Any] = {}
        if "cls" in sample:
            notes["label"] = self._bytes(sample["cls"]).decode("utf-8").strip()
        if "json" in sample:
            document = json.loads(self._bytes(sample["json"]))
            if not isinstance(document, dict):
                rule = f"shard: {sample['json'].name} is not a JSON object"
                remedy = 'Write an object such as {"label": "cyst", "subject": "p1"}'
                raise ReadError(str(self.path), rule, remedy)
            notes |= {name: document[name] for name in ("label", "subject") if name in document}
            # JSON can hold half a character, and no text can: encoding refuses it.
            "".join(map(str, notes.values())).encode()
        return notes

    def _picture(self, index: int) -> TarMember:
        self.check_index(index, "sample")
        sample = self._samples[self.keys[index]]
        return next(sample[end] for end in PICTURES if end in sample)

    def _bytes(self, member: TarMember) -> bytes:
        # The file is opened each time, because worker processes must not share a file position.
        with self.path.open("rb") as file:
            file.seek(member.offset)
            return file.read(member.size)

    def _encoded(self, member: TarMember, values: np.ndarray) -> bytes:
        with Image.open(io.BytesIO(self._bytes(member))) as image:
            kind, mode = str(image.format), image.mode
        if kind not in LOSSLESS:
            rule = f"{kind} is lossy and cannot store the new values exactly"
            raise WriteError(f"{self.path}/{member.name}", rule, "Convert it to PNG first")
        content = io.BytesIO()
        encoded(values, mode).save(content, kind)
        return content.getvalue()


def _index(path: Path, largest: int) -> dict[str, Sample]:
    """Group the members of an archive by sample."""
    samples: dict[str, Sample] = {}
    for member in tar_members(path, "shard", largest=largest):
        match = _KEY.fullmatch(member.name)
        if match is None:
            continue
        sample, end = samples.setdefault(match[1], {}), match[2].lower()
        if end in sample:
            raise ReadError(str(path), f"shard: it has {member.name} twice", "Write it again")
        sample[end] = member
    return samples


def _text(value: Any) -> str | None:
    """Return a label or subject as text; `None` if it is empty, or neither text nor an integer."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return re.sub(r"\s+", " ", str(value)).strip() or None


def _copy(source: Path, target: Path, changed: Mapping[str, bytes]) -> None:
    """Copy an archive, with new content under some names."""
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
