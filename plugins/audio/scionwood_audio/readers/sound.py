"""WAV, FLAC, OGG, MP3, W64 and RF64 through libsndfile, with the damage that it passes over."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar, final

import numpy as np

from scionwood import Reader, ReadError, RecipeError, Record
from scionwood.authoring import RecordFunction, atomic_path, reading, writing
from scionwood_audio.readers.containers import check_container
from scionwood_audio.readers.sound_rewriting import rewrite_sound

KIND = "sound (.wav, .flac, .ogg, .mp3)"
LOUDEST = 4.0
"""Largest sample of a file without calibration. Floats are scaled to 1; a coder overshoots to 2."""

SHORTEST = 0.1
"""Seconds of the shortest file that is read: an empty one would give a finite score."""

LARGEST = 2**25
"""Values of the largest record, 128 MiB."""


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
        self, path: str | Path, *, block: float = 60.0, calibration: float | None = None
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
            raise RecipeError(f"block {block:g}", "it is a number of seconds", "Set it to 60")
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
                    yield Record({"block": number}, self._scaled(data))
                position += count
                if data.shape[1] < count:
                    return

    def rewrite(
        self, target: str | Path, function: RecordFunction, *, overwrite: bool = False
    ) -> None:
        """Write a copy of the recording with new values; all other bytes of a WAV stay.

        A value that did not change is not rounded either. In FLAC the samples are coded again.

        Raises:
            OutputExistsError: `target` exists and `overwrite` is false.
            WriteError: the target cannot be written, the shape changed, a value lies outside of
                the format, or the format is lossy and a value changed.
        """
        with writing(target), atomic_path(target, overwrite=overwrite) as part:
            rewrite_sound(self, part, function)

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write half a second of a rising tone in two channels, 16 bits at 16 kHz."""
        import soundfile

        time = np.arange(8000) / 16000
        tone = 0.3 * np.sin(2 * np.pi * (500 + 1000 * time) * time)
        soundfile.write(str(path), np.stack([tone, 0.5 * tone], 1), 16000, "PCM_16", format="WAV")

    def _scaled(self, data: np.ndarray) -> np.ndarray:
        scaled = data if self.calibration is None else data * np.float32(self.calibration)
        return np.ascontiguousarray(scaled)

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
            raise ReadError(
                str(self.path), rule, "Cut the sound: one of them makes every score NaN"
            )
        top = float(np.abs(data).max(initial=0.0))
        if top > LOUDEST:
            rule = f"its samples reach {top:.3g}, and full scale is 1"
            remedy = (
                "They may be integers stored as floats: divide by 32768, and write the sound again"
            )
            raise ReadError(str(self.path), rule, remedy)
