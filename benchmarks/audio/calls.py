"""The sounds of the experiment on calls: songs of great tits, other animals, and backgrounds.

Each comes from a package that the user unpacks; nothing is copied into the repository. The songs
lie in pykanto 0.1.8 (PyPI, MIT), with storm-petrels (CC BY-NC-ND 2.5) and Bengalese finches.
Birds, mammals and insects lie in tuxpaint-stamps-default (Debian, GPL-2), and rain, a pond,
factories, a car and a train in gcompris-qt-data (Debian, GPL-3 and free licences).
"""

from __future__ import annotations

import hashlib
import io
import random
from pathlib import Path

import numpy as np
from gcompris import entries

from scionwood import ReadError
from scionwood_audio.data.call_scenes import Parts
from scionwood_audio.inference.sounds import read_sound
from scionwood_audio.model.mel import RATE

LONGEST = round(2.4 * RATE)
"""Samples of a placed sound; longer ones are cut."""

SUPPORT = 5
"""Marked songs: those of the first morning."""

BACKGROUNDS = {
    "train": ["LRRain_in_garden_01_LA_cut", "LRFactory_noise_01_LA", "LRFactory_noise_04_LA",
              "LRStartAndStopCarEngine1LACut"],
    "test": ["LRFrogsInPondDuringStormLACut", "LRFactory_noise_06_LA",
             "LRTrain_slowing_down_01_LA_cut"],
}  # fmt: skip


def read_calls(pykanto: Path, stamps: Path, gcompris: Path) -> dict[str, Parts]:
    """Return the parts of training, and of two tests: the same bird, and another bird."""
    folder = pykanto / "segmented" / "great_tit" / "WAV"
    songs = {day: _sounds(sorted(folder.glob(f"*{day}*"))) for day in ("B32-0415", "B32-0416")}
    other_bird = _sounds(sorted(folder.glob("*SW83*")))
    animals = [
        path
        for kind in ("birds", "mammals", "insects")
        for path in sorted((stamps / "animals" / kind).rglob("*.ogg"))
        if "_desc" not in path.name
    ]
    random.Random(0).shuffle(animals)
    half = len(animals) // 2
    others = {
        "train": _sounds(animals[:half]) + _pieces(pykanto, "348", "XC46092"),
        "test": _sounds(animals[half:]) + _pieces(pykanto, "363", "XC663885"),
    }
    noises = {part: _backgrounds(gcompris, BACKGROUNDS[part]) for part in others}
    first, second = songs["B32-0415"], songs["B32-0416"]
    used = Parts(first[:SUPPORT], others["train"], noises["train"])
    seen = {_digest(s) for s in [*used.calls, *used.others]}
    rest = [sound for sound in others["test"] if _digest(sound) not in seen]
    same = [song for song in second + first[SUPPORT:] if _digest(song) not in seen]
    return {
        "train": used,
        "same bird": Parts(same, rest, noises["test"]),
        "another bird": Parts(other_bird, rest, noises["test"]),
    }


def _sounds(paths: list[Path]) -> list[np.ndarray]:
    """Return sounds, each once: files that hold equal samples count as one."""
    sounds = [read_sound(path)[:LONGEST] for path in paths]
    if not sounds:
        raise ReadError("the songs or the animals", "no such file is there", "See the options")
    return list({_digest(sound): sound for sound in sounds}.values())


def _digest(sound: np.ndarray) -> str:
    return hashlib.blake2b(sound.tobytes(), digest_size=16).hexdigest()


def _pieces(pykanto: Path, finch: str, petrel: str) -> list[np.ndarray]:
    raw = pykanto / "raw"
    cut = 2 * RATE
    finches = read_sound(raw / "BENGALESE_FINCH" / "bird_3" / f"{finch}.wav")
    petrels = read_sound(raw / "STORM-PETREL" / f"{petrel}.wav")
    places = range(RATE * 2, RATE * 14, cut), range(RATE, RATE * 11, cut)
    pieces = [finches[at : at + cut] for at in places[0]] + [
        petrels[at : at + cut] for at in places[1]
    ]
    return [piece for piece in pieces if len(piece) > RATE // 2]


def _backgrounds(folder: Path, names: list[str]) -> list[np.ndarray]:
    import soundfile
    import soxr

    files = {
        Path(name).stem: data
        for pack in sorted(folder.glob("*memory-sound*.rcc"))
        for name, data in entries(pack)
        if name.endswith(".ogg")
    }
    sounds = []
    for name in names:
        if name not in files:
            raise ReadError(f"{folder}: {name}", "no such sound", "Give the folder rcc of gcompris")
        samples, rate = soundfile.read(io.BytesIO(files[name]), dtype="float32", always_2d=True)
        sounds.append(soxr.resample(samples.mean(1), rate, RATE).astype(np.float32))
    return sounds
