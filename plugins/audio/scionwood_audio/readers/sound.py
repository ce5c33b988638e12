"""WAV, FLAC, OGG, MP3, W64 and RF64 through libsndfile, with the damage that it passes over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar, final

import numpy as np

from scionwood import Reader, ReadError, Record, WriteError
from scionwood.authoring import RecordFunction, atomic_path, reading, writing
from scionwood_audio.readers.containers import check_container

KIND = "sound (.wav, .flac, .ogg, .mp3)"
LOUDEST = 4.0
"""Largest sample of a file without calibration. Floats are scaled to 1; a coder overshoots to 2."""

SHORTEST = 0.1
"""Seconds of the shortest file that is read: an empty one would give a finite score."""

LOSSLESS = ("WAV", "WAVEX", "FLAC", "W64", "RF64", "AIFF")


@final
class SoundReader(Reader):
    """Read a recording in blocks, so that a day of sound needs the memory of a minute.

    Args:
        path: the file.
        block: seconds of a record; the last one is shorter.
        calibration: pascals a count, where full scale is 1; `None` leaves the samples as they are.

    Shapes: (channel, time) float32.

    Units: time in samples; data from -1 to 1, or pascals with a calibration.

    Attributes:
        rate: samples a second.
        frames: samples of each channel that the file declares.
        channels: channels of the file.

    Raises:
        ReadError: the file is no sound, is cut, declares more than it holds, is shorter than 0.1 s,
            or holds NaN, or values above 4 as integers stored as floats have.

    Source: libsndfile, https://libsndfile.github.io/libsndfile/; RFC 3533 for the pages of OGG.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".wav", ".flac", ".ogg", ".oga", ".mp3", ".w64", ".rf64")
    dims = ("channel", "time")
    units: Mapping[str, str] = {"channel": "1", "time": "sample", "data": "1"}

    def __init__(
        self, path: str | Path, *, block: float = 60.0, calibration: float | None = None
    ) -> None:
        import soundfile

        self.path, self.calibration = Path(path), calibration
        if calibration is not None:
            self.units = {**type(self).units, "data": "Pa"}
        with reading(self.path, KIND):
            check_container(self.path)
            try:
                found = soundfile.info(str(self.path))
            except soundfile.LibsndfileError as error:
                rule = f"libsndfile cannot open it ({error.error_string})"
                remedy = "Check that it is a sound, or convert it to WAV"
                raise ReadError(str(self.path), rule, remedy) from error
        self.rate, self.frames, self.channels = found.samplerate, found.frames, found.channels
        self.format, self.subtype = found.format, found.subtype
        if self.frames < SHORTEST * self.rate:
            rule = f"it declares {self.frames} samples at {self.rate} Hz, less than {SHORTEST} s"
            raise ReadError(str(self.path), rule, "Fetch it again: it is empty or cut")
        self.block = max(1, round(block * self.rate))

    def __len__(self) -> int:
        return int(-(-self.frames // self.block))

    def __iter__(self) -> Iterator[Record]:
        import soundfile

        done = 0
        with reading(self.path, KIND), soundfile.SoundFile(str(self.path)) as file:
            for number in range(len(self)):
                wanted = min(self.block, self.frames - done)
                try:
                    data = file.read(wanted, dtype="float32", always_2d=True).T
                except soundfile.LibsndfileError as error:
                    rule = f"it is damaged after {done / self.rate:.1f} s ({error.error_string})"
                    raise ReadError(str(self.path), rule, "Fetch it again") from error
                self._check(data, done, wanted)
                yield Record({"block": number}, self._scaled(data))
                done += wanted

    def rewrite(
        self, target: str | Path, function: RecordFunction, *, overwrite: bool = False
    ) -> None:
        """Write a copy of the recording with new values, in the format of the file.

        Raises:
            OutputExistsError: `target` exists and `overwrite` is false.
            WriteError: the target cannot be written, the shape changed, a value lies outside of
                the format, or the format is lossy and a value changed.
        """
        import soundfile

        with writing(target), atomic_path(target, overwrite=overwrite) as part:
            changed = False
            with soundfile.SoundFile(
                str(part), "w", self.rate, self.channels, self.subtype, format=self.format
            ) as file:
                for record in self:
                    data = self._new_data(record, function)
                    changed |= bool((data != record.data).any())
                    file.write((data / (self.calibration or 1.0)).T)
            if not changed:
                part.write_bytes(self.path.read_bytes())
            elif self.format not in LOSSLESS:
                rule = f"{self.format} is lossy and cannot store the new values exactly"
                raise WriteError(str(self.path), rule, "Convert the file to WAV first")

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write half a second of a rising tone in two channels, 16 bits at 16 kHz."""
        import soundfile

        time = np.arange(8000) / 16000
        tone = 0.3 * np.sin(2 * np.pi * (500 + 1000 * time) * time)
        soundfile.write(str(path), np.stack([tone, 0.5 * tone], 1), 16000, "PCM_16", format="WAV")

    def _new_data(self, record: Record, function: RecordFunction) -> np.ndarray:
        data = np.asarray(function(Record(record.key, record.data.copy(), record.coords)))
        if data.shape != record.data.shape:
            rule = f"the new data has shape {data.shape}, and the record has {record.data.shape}"
            raise WriteError(str(self.path), rule, "Return data of the same shape")
        top = float(np.abs(data).max(initial=0.0)) / (self.calibration or 1.0)
        if not top <= 1.0 and self.subtype not in ("FLOAT", "DOUBLE"):
            rule = f"{self.subtype} stores values up to 1, not {top:g}"
            raise WriteError(str(self.path), rule, "Scale the values, or convert the file to float")
        return data

    def _scaled(self, data: np.ndarray) -> np.ndarray:
        scaled = data if self.calibration is None else data * np.float32(self.calibration)
        return np.ascontiguousarray(scaled)

    def _check(self, data: np.ndarray, done: int, wanted: int) -> None:
        if data.shape[1] != wanted:
            rule = f"it declares {self.frames} samples, and {done + data.shape[1]} can be read"
            raise ReadError(str(self.path), rule, "Fetch it again: it is cut or damaged")
        bad = ~np.isfinite(data)
        if bad.any():
            where = (done + int(bad.any(0).argmax())) / self.rate
            rule = f"{int(bad.sum())} samples are NaN or infinite, the first at {where:.3f} s"
            raise ReadError(str(self.path), rule, "One of them would make every score NaN. Cut it")
        top = float(np.abs(data).max(initial=0.0))
        if top > LOUDEST:
            rule = f"its samples reach {top:.3g}, and full scale is 1"
            remedy = "They may be integers stored as floats: divide by 32768, and write it again"
            raise ReadError(str(self.path), rule, remedy)
