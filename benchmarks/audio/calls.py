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
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

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


LARGEST = 1 << 26
"""Bytes of the largest entry."""


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


def entries(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the path and the content of each file in a `.rcc`, versions 1 to 3 of its format."""
    content = path.read_bytes()
    if content[:4] != b"qres":
        raise ValueError(f"{path}: it is no resource of Qt. Install gcompris-qt-data again")
    version, tree, data, names = struct.unpack(">4I", content[4:20])
    size = 22 if version >= 2 else 14

    def name(offset: int) -> str:
        (length,) = struct.unpack_from(">H", content, names + offset)
        start = names + offset + 6
        return content[start : start + 2 * length].decode("utf-16-be")

    def walk(node: int, above: str) -> Iterator[tuple[str, bytes]]:
        place = tree + node * size
        offset, flags = struct.unpack_from(">IH", content, place)
        here = f"{above}/{name(offset)}" if node else above
        if flags & 2:
            count, first = struct.unpack_from(">II", content, place + 6)
            for child in range(first, first + count):
                yield from walk(child, here)
        else:
            (start,) = struct.unpack_from(">I", content, place + 10)
            (length,) = struct.unpack_from(">I", content, data + start)
            raw = content[data + start + 4 : data + start + 4 + length]
            yield here, _plain(raw, flags)

    yield from walk(0, "")


def _plain(raw: bytes, flags: int) -> bytes:
    if flags & 1:
        return zlib.decompress(raw[4:])
    if flags & 4:
        import zstandard

        return zstandard.ZstdDecompressor().decompress(raw, max_output_size=LARGEST)
    return raw
