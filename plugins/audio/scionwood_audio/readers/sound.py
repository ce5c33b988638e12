"""WAV, FLAC, OGG, MP3, W64 and RF64 through libsndfile, with the damage that it passes over."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar, final

import numpy as np

from scionwood import Reader, ReadError, RecipeError, Record, WriteError
from scionwood.authoring import RecordFunction, atomic_path, reading, writing
from scionwood_audio.readers.containers import byte_order, check_container, chunks

KIND = "sound (.wav, .flac, .ogg, .mp3)"
LOUDEST = 4.0
"""Largest sample of a file without calibration. Floats are scaled to 1; a coder overshoots to 2."""

SHORTEST = 0.1
"""Seconds of the shortest file that is read: an empty one would give a finite score."""

LARGEST = 2**22
"""Values of the largest record, 16 MiB: the child holds several copies of one."""

BYTES = {"PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}
"""The bytes of a sample in the formats whose samples are changed in place."""


@final
class SoundReader(Reader):
    """Read a recording in blocks, so that a day of sound needs the memory of a minute.

    Args:
        path: the file.
        block: seconds of a record; the last one is shorter.
        calibration: pascals a count, where full scale is 1; `None` leaves the samples as they are.

    Shapes: (channel, time) float32.

    An OGG whose pages are whole and hold fewer samples than they count is read, with a warning.

    Units: time in samples; data from -1 to 1, or pascals with a calibration.

    Attributes:
        rate: samples a second.
        frames: samples of each channel that the file declares.
        channels: channels of the file.

    Raises:
        ReadError: the file is no sound, is cut, declares more than it holds, is shorter than 0.1 s,
            or holds NaN, or values above 4 as integers stored as floats have.
        RecipeError: `block` is not positive.

    Source: libsndfile, https://libsndfile.github.io/libsndfile/; RFC 3533 for the pages of OGG.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".wav", ".flac", ".ogg", ".oga", ".mp3", ".w64", ".rf64")
    dims = ("channel", "time")
    units: Mapping[str, str] = {"channel": "1", "time": "sample", "data": "1"}

    def __init__(
        self, path: str | Path, *, block: float = 10.0, calibration: float | None = None
    ) -> None:
        import soundfile

        self.path, self.calibration = Path(path), calibration
        if calibration is not None:
            self.units = {**type(self).units, "data": "Pa"}
        with reading(self.path, KIND):
            check_container(self.path)
            try:
                info = soundfile.info(str(self.path))
            except soundfile.LibsndfileError as error:
                rule = f"libsndfile cannot open it ({error.error_string})"
                remedy = "Check that it is a sound, or convert it to WAV"
                raise ReadError(str(self.path), rule, remedy) from error
        self.rate, self.frames, self.channels = info.samplerate, info.frames, info.channels
        self.format, self.subtype = info.format, info.subtype
        if self.frames < SHORTEST * self.rate:
            rule = f"it declares {self.frames} samples at {self.rate} Hz, less than {SHORTEST} s"
            raise ReadError(str(self.path), rule, "Fetch the sound again: it is empty or cut")
        if not block > 0:
            raise RecipeError(f"block {block:g}", "it is a number of seconds", "Set it to 10")
        # A header may declare a thousand channels: the memory of a block is bounded.
        self.block = max(1, min(round(block * self.rate), LARGEST // self.channels))

    def __len__(self) -> int:
        return int(-(-self.frames // self.block))

    def __iter__(self) -> Iterator[Record]:
        import soundfile

        position = 0
        with reading(self.path, KIND), soundfile.SoundFile(str(self.path)) as file:
            for number in range(len(self)):
                count = min(self.block, self.frames - position)
                try:
                    data = file.read(count, dtype="float32", always_2d=True).T
                except soundfile.LibsndfileError as error:
                    start = f"{position / self.rate:.1f} s"
                    rule = f"it is damaged at or after {start} ({error.error_string})"
                    raise ReadError(str(self.path), rule, "Fetch the sound again") from error
                self._check(data, position, count)
                if data.shape[1]:
                    scaled = data * np.float32(self.calibration or 1.0)
                    yield Record({"block": number}, np.ascontiguousarray(scaled))
                position += count
                if data.shape[1] < count:
                    return

    def rewrite(
        self, target: str | Path, function: RecordFunction, *, overwrite: bool = False
    ) -> None:
        """Write a copy of the recording in which the samples that `function` changed are changed.

        Raises:
            OutputExistsError: `target` exists and `overwrite` is false.
            WriteError: the target cannot be written, the shape changed, a value lies outside of
                the format, or a value changed and the file is no WAV, RF64 or W64 of plain samples.
        """
        in_place = self.format in ("WAV", "WAVEX", "RF64", "W64") and self.subtype in BYTES
        with writing(target), atomic_path(target, overwrite=overwrite) as part:
            shutil.copyfile(self.path, part)
            with part.open("r+b") as file:
                place = next((c.start for c in chunks(file) if c.name == b"data"), 0)
                order = byte_order(file)
                for record in self:
                    changed = self._changed(record, function)
                    different = (changed != record.data).T
                    if not in_place and different.any():
                        rule = f"{self.format} ({self.subtype}) is not changed in place"
                        raise WriteError(str(self.path), rule, "Convert the file to WAV first")
                    if different.any():
                        shape = (*different.shape, BYTES[self.subtype])
                        file.seek(place)
                        values = np.fromfile(file, "u1", different.size * shape[-1]).reshape(shape)
                        values[different] = self._stored(changed.T[different], order)
                        file.seek(place)
                        file.write(values.tobytes())
                    place += different.size * BYTES.get(self.subtype, 0)

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write half a second of a rising tone in two channels, 16 bits at 16 kHz."""
        import soundfile

        time = np.arange(8000) / 16000
        tone = 0.3 * np.sin(2 * np.pi * (500 + 1000 * time) * time)
        soundfile.write(str(path), np.stack([tone, 0.5 * tone], 1), 16000, "PCM_16", format="WAV")

    def _changed(self, record: Record, function: RecordFunction) -> np.ndarray:
        data = np.asarray(function(Record(record.key, record.data.copy(), record.coords)))
        if data.shape != record.data.shape:
            rule = f"the new data has shape {data.shape}, and the record has {record.data.shape}"
            raise WriteError(str(self.path), rule, "Return data of the same shape")
        top = float(np.abs(data).max(initial=0.0)) / (self.calibration or 1.0)
        if not top <= 1.0 and self.subtype not in ("FLOAT", "DOUBLE"):
            rule = f"{self.subtype} stores values up to 1, not {top:g}"
            raise WriteError(str(self.path), rule, "Scale the values, or convert the file to float")
        return data

    def _stored(self, values: np.ndarray, order: str) -> np.ndarray:
        """Return the bytes of samples in an order, (sample, byte)."""
        width, scaled = BYTES[self.subtype], values.astype(np.float64) / (self.calibration or 1.0)
        if self.subtype in ("FLOAT", "DOUBLE"):
            return scaled.astype(f"{order}f{width}")[:, None].view("u1")
        top = 2.0 ** (8 * width - 1)
        counts = np.clip(np.round(scaled * top), -top, top - 1) + (128 if width == 1 else 0)
        stored = counts.astype("<i4")[:, None].view("u1")[:, :width]
        return stored if order == "<" else stored[:, ::-1]

    def _check(self, data: np.ndarray, position: int, count: int) -> None:
        if data.shape[1] != count:
            text = f"it declares {self.frames} samples, and {position + data.shape[1]} can be read"
            if self.format != "OGG":
                raise ReadError(str(self.path), text, "Fetch the sound again: it is cut")
            # All pages are whole: the program that wrote them lost samples, and counted them.
            late = (self.frames - position - data.shape[1]) / self.rate
            text = f"{text}: {late:.3f} s are missing, and what follows them comes too early"
            warnings.warn(f"{self.path.name}: {text}", stacklevel=3)
        bad = ~np.isfinite(data)
        if bad.any():
            where = (position + int(bad.any(0).argmax())) / self.rate
            rule = f"{int(bad.sum())} samples are NaN or infinite, the first at {where:.3f} s"
            remedy = "Cut the sound: one of them makes every score NaN"
            raise ReadError(str(self.path), rule, remedy)
        top = float(np.abs(data).max(initial=0.0))
        if top > LOUDEST:
            rule = f"its samples reach {top:.3g}, and full scale is 1"
            remedy = "They may be integers stored as floats: divide by 32768, and write it again"
            raise ReadError(str(self.path), rule, remedy)
