"""Clips of words, split by text: no text of the test is said in the training."""

from __future__ import annotations

import difflib
import random
import sys
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias, final

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from scionwood import ReadError, RecipeError, SplitData
from scionwood.authoring import DataFiles, DataLoader, Split
from scionwood_audio.data.tables import Clip, deal, distinct, read_clips
from scionwood_audio.model.mel import FRAME, RATE
from scionwood_audio.model.spelling import LETTERS, codes, latin

Unit: TypeAlias = Literal["text", "word"]
CONTENT = 4
"""Letters from which a word counts in a split by word: articles would tie all texts together."""

SYLLABLES = ("ba", "do", "ki", "lu", "me", "na", "po", "ri", "sa", "tu", "ve", "zo")


def made_clips(count: int, seed: int) -> list[Clip]:
    """Return clips that are made here: each letter of an invented word is two tones."""
    random = np.random.default_rng(seed)
    words = [a + b + c for a in SYLLABLES for b in SYLLABLES for c in SYLLABLES]
    chosen = random.choice(len(words), count, replace=False)
    return [Clip(_spoken(words[n], random), words[n], "made", f"{words[n]}") for n in chosen]


def _spoken(word: str, random: np.random.Generator) -> np.ndarray:
    length = round(RATE * random.uniform(0.07, 0.1))
    time = np.arange(length) / RATE
    edge = np.minimum(1.0, np.minimum(time, time[::-1]) / 0.01)
    tones = []
    for place in map(LETTERS.index, word):
        low, high = 250.0 + 60.0 * (place % 9), 1200.0 + 500.0 * (place // 9)
        tones.append(edge * (np.sin(2 * np.pi * low * time) + np.sin(2 * np.pi * high * time)))
    sound = 0.1 * np.concatenate(tones)
    return np.asarray(sound + 0.002 * random.standard_normal(len(sound)), np.float32)


@final
class Words(SplitData):
    """Clips with what is said in them, from a CSV file `path,text[,speaker]` or made here.

    Texts are written in Latin letters, see `spelling.latin`. Clips with equal samples are removed
    before the split, and clips longer than the window are left out; a line on stderr counts both.
    Each clip comes with four texts that it does not say: two random ones, and the two of the
    nearest spelling, all of its own split. The validation and the test are one batch each, so that
    the area under the curve is over all trials. All clips stay in memory, 64 kB a second.

    Shapes: a batch holds `sound` (batch, 16000 window) float32, `frames` (batch,) int64, `letters`
        (batch, letter) int64 and `others` (batch, 4, letter) int64, padded with 0.

    Units: samples from -1 to 1 at 16 kHz; frames are 20 ms; a letter is its place in `LETTERS`.

    Source: the division into easy and hard texts is that of LibriPhrase (arXiv:2206.15400).

    Args:
        path: the CSV file; `None` means 40 clips that are made here.
        root: the folder of the clips, to which their paths are relative; by default that of the CSV
            file. No clip may lie outside of it.
        window: seconds of a window; that of the backbone.
        shots: the number of training clips; `None` means all.
        split: whether no text, or no word of four or more letters either, is in two splits.
        speaker: use the clips of this speaker alone.
        clips: the most clips of the validation, and of the test.
        batch_size: clips in a training batch.
        seed: seed of the splits, and of the made clips.
        on_bad_file: whether a file that cannot be read is an error, or is left out.

    Raises:
        ReadError: the CSV file or a clip is damaged.
        RecipeError: a text cannot be written in Latin letters, or too few texts remain.
    """

    data_files: DataFiles

    def __init__(
        self,
        *,
        path: str | Path | None = None,
        root: str | Path | None = None,
        window: float = 3.0,
        shots: int | None = None,
        split: Unit = "text",
        speaker: str | None = None,
        clips: int = 160,
        batch_size: int = 8,
        seed: int = 0,
        on_bad_file: Literal["raise", "skip"] = "raise",
    ) -> None:
        super().__init__()
        self.path = None if path is None else Path(path)
        self.samples, self.window = round(window * RATE), window
        self.shots, self.unit, self.speaker, self.evaluated = shots, split, speaker, clips
        self.batch_size, self.seed = batch_size, seed
        self.root = Path(root or Path(path or ".").parent)
        self.data_files = DataFiles(on_bad_file, [] if path is None else [self.root])

    def setup(self, stage: str) -> None:
        """Read the clips, so that errors appear before training."""
        _ = self.splits

    @cached_property
    def splits(self) -> dict[str, list[Clip]]:
        """The clips of `train`, `val` and `test`."""
        clips = self._clips()
        parts = deal([clip.text for clip in clips], self.seed, test=0.3, val=0.1, least=3)
        dealt: dict[str, list[Clip]] = {
            name: [clips[row] for row in rows] for name, rows in parts.items()
        }
        if self.unit == "word":
            dealt = apart_by_word(dealt)
        counts = {"train": self.shots, "val": self.evaluated, "test": self.evaluated}
        dealt = {name: part[: counts[name]] for name, part in dealt.items()}
        for name, clips in dealt.items():
            if len({clip.text for clip in clips}) < 3:
                rule = f"the {name} split has fewer than three different texts"
                raise RecipeError(f"data: {len(clips)} clips", rule, "Give more texts, or shots")
        return dealt

    def loader(self, split: Split) -> DataLoader:
        """Return the batches of a split; see `SplitData.loader`."""
        trains = split == "train"
        clips = Trials(self.splits[split], self.samples, None if trains else self.seed)
        size = min(self.batch_size, len(clips)) if trains else len(clips)
        # A last batch of one clip would count as much as one of eight.
        return DataLoader(clips, size, shuffle=trains, drop_last=trains)

    def _clips(self) -> list[Clip]:
        if self.path is None:
            return made_clips(40, self.seed)
        read = read_clips(self.path, "text", "speaker", root=self.root, files=self.data_files)
        if self.speaker is not None:
            read = [clip for clip in read if clip.group == self.speaker]
        read = [clip._replace(text=latin(clip.text)) for clip in read]
        clips = distinct(read)
        fitting = [clip for clip in clips if len(clip.sound) <= self.samples]
        repeated, long = len(read) - len(clips), len(clips) - len(fitting)
        if repeated or long:
            line = f"{repeated} clips repeat the samples of others, {long} exceed {self.window:g} s"
            print(f"{self.path}: {line}: left out", file=sys.stderr)
        if not fitting:
            rule = "no clip is left" + ("" if self.speaker is None else f" of {self.speaker!r}")
            raise ReadError(str(self.path), rule, "Name a speaker of the file, or a longer window")
        return fitting


def apart_by_word(dealt: dict[str, list[Clip]]) -> dict[str, list[Clip]]:
    """Return splits without the clips that share a word of four letters with a later split."""
    later: set[str] = set()
    parts = {}
    for name in ("test", "val", "train"):
        parts[name] = [clip for clip in dealt[name] if not later & _content(clip)]
        later |= {word for clip in parts[name] for word in _content(clip)}
    return parts


def _content(clip: Clip) -> set[str]:
    return {word for word in clip.text.split() if len(word) >= CONTENT}


@final
class Trials(Dataset[dict[str, Tensor]]):
    """Clips with their text and four others."""

    def __init__(self, clips: Sequence[Clip], samples: int, seed: int | None) -> None:
        self.clips, self.samples, self.seed = clips, samples, seed
        self.texts = sorted({clip.text for clip in clips})
        self.longest = max(map(len, self.texts))

    def __len__(self) -> int:
        return len(self.clips)

    def name_of(self, index: int) -> str:
        """Return the file of a clip."""
        return self.clips[index].name

    def others(self, index: int) -> list[str]:
        """Return four texts that a clip does not say: two random ones, and the two nearest."""
        text = self.clips[index].text
        generator = random if self.seed is None else random.Random(f"{self.seed} {index}")
        others = [other for other in self.texts if other != text]
        near = difflib.get_close_matches(text, others, n=2, cutoff=0.0)
        return [generator.choice(others), generator.choice(others), *near]

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        clip = self.clips[index]
        return {
            "sound": torch.from_numpy(np.pad(clip.sound, (0, self.samples - len(clip.sound)))),
            "frames": torch.tensor(-(-len(clip.sound) // FRAME)),
            "letters": codes([clip.text], self.longest)[0],
            "others": codes(self.others(index), self.longest),
        }
