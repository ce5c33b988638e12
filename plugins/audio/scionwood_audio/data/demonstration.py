"""The demonstration: a made recording with the songs of a bird that does not exist."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from scionwood import RecipeError
from scionwood.authoring import atomic_path, check_target, writing
from scionwood_audio.data.made import shaped_noise

FOLDER = Path(__file__).parent / "morning"
"""The recording and its tables, which `benchmarks/audio/demonstration.py` made."""

LOUD = 22.0
"""Level of the nearest songs above the noise of their band, dB."""


def write_demonstration(folder: str | Path, *, level: float = LOUD, force: bool = False) -> None:
    """Write two minutes with 16 songs, `morning.wav`, and their tables `five.txt` and `all.txt`.

    All of it is computed, so that it has no licence. For a lower level noise is added.

    Args:
        folder: where the three files are written.
        level: of the nearest songs above the noise of their band, at most 22 dB.
        force: replace existing files.

    Units: the sound is mono at 16 kHz, 16 bits; times in seconds, frequencies in Hz.

    Raises:
        RecipeError: the level is above 22 dB.
        OutputExistsError: a file exists, and `force` is false.

    Example:
        >>> from scionwood_audio.data.demonstration import write_demonstration
        >>> from scionwood_audio.readers.selections import read_selections
        >>> write_demonstration("demo")
        >>> len(read_selections("demo/five.txt")), len(read_selections("demo/all.txt"))
        (5, 16)
    """
    import soundfile

    if level > LOUD:
        raise RecipeError(f"level {level:g}", f"it is at most {LOUD:g} dB", "Give less")
    samples, rate = soundfile.read(FOLDER / "morning.ogg", dtype="float32")
    power = 1 / np.maximum(np.linspace(0, rate / 2, 1025), 50.0)  # wind in leaves
    noise = shaped_noise(power, len(samples) / rate, np.random.default_rng(0))
    quiet = float(np.median(np.abs(samples))) / 0.6745  # the noise, which is most of the recording
    samples += noise * quiet / noise.std() * (10 ** ((LOUD - level) / 10) - 1) ** 0.5
    names = ("morning.wav", "five.txt", "all.txt")
    for name in names:
        check_target(Path(folder) / name, overwrite=force)
    for name in names:
        path = Path(folder) / name
        with writing(path), atomic_path(path, overwrite=force) as part:
            if name == "morning.wav":
                scaled = samples * 0.5 / np.abs(samples).max()
                soundfile.write(str(part), scaled, rate, "PCM_16", format="WAV")
            else:
                shutil.copyfile(FOLDER / name, part)
