"""Marked calls, placed again and again in backgrounds: what five examples are learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, final

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from scionwood import SplitData
from scionwood.authoring import DataLoader, Split
from scionwood_audio.data.call_scenes import FOLDS, Parts, compose
from scionwood_audio.data.made import made_parts
from scionwood_audio.data.parts import marked_calls, read_parts
from scionwood_audio.inference.sounds import Channel
from scionwood_audio.model.mel import FRAME, RATE


@final
class Composed(SplitData):
    """Scenes of calls in backgrounds; places and levels are ours, in every epoch others.

    The record of a scene says that it is composed. Without a recording, the calls, the other sounds
    and the backgrounds are made by us, so that a recipe runs anywhere.

    Shapes: a batch holds `samples` (window, 16000 window) float32, `target` (window, 50 window)
        float32, and `composed` (window,) bool, true.

    Units: samples from -1 to 1 at 16 kHz; a target is 1 where a call is.

    Source: J. Salamon et al., Scaper (2017), for soundscapes composed of parts.

    Args:
        recording: in which the calls were marked; empty means sounds made by us.
        selections: the marked calls: a table of Raven, labels of Audacity, or CSV.
        label: take the selections with this label only; empty takes all.
        backgrounds: recordings, or folders of them, without the call.
        others: short recordings of other animals, or folders of them.
        assume_complete: every call of the recording is marked, so that its rest is background.
        channel: the channel of the recording that is heard.
        expand: how many times slower the recordings are heard.
        held_folds: folds of the examples, 0 to 4, that are held out of training for validation.
        window: seconds of a window, that of the backbone.
        scene: windows of a scene.
        n_train: scenes of an epoch.
        n_val: scenes of validation, and of test.
        levels: lowest and highest level of a call against the background, dB.
        vary: largest change of the pitch of a call, as a share of it.
        batch_size: scenes in a batch.
        seed: seed of the sounds made by us, and of the scenes of validation and test.

    Raises:
        RecipeError: there are fewer than two examples, or a folder holds no sound.
        ReadError: a file is damaged, or an example lies outside of the recording.
        RateError: an example is above the band of the network.
    """

    def __init__(
        self,
        *,
        recording: str = "",
        selections: str = "",
        label: str = "",
        backgrounds: list[str] | None = None,
        others: list[str] | None = None,
        assume_complete: bool = False,
        channel: Channel = "mean",
        expand: float = 1.0,
        held_folds: Sequence[int] = (0,),
        window: float = 3.0,
        scene: int = 4,
        n_train: int = 20,
        n_val: int = 10,
        levels: tuple[float, float] = (-5.0, 10.0),
        vary: float = 0.1,
        batch_size: int = 2,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.recording, self.selections, self.label = recording, selections, label
        self.reading: dict[str, Any] = {
            "backgrounds": backgrounds or [],
            "others": others or [],
            "assume_complete": assume_complete,
            "channel": channel,
            "expand": expand,
            "seed": seed,
        }
        self.held_folds, self.samples, self.scene = held_folds, round(window * RATE), scene
        self.n_train, self.n_val, self.levels = n_train, n_val, levels
        self.vary, self.batch_size, self.seed = vary, batch_size, seed

    @cached_property
    def parts(self) -> Parts:
        """The calls, the other sounds and the backgrounds; read once."""
        if not self.recording:
            return made_parts(self.seed)
        calls = marked_calls(self.selections, self.label)
        return read_parts(self.recording, calls, **self.reading)

    def loader(self, split: Split) -> DataLoader:
        """Return the batches of a split; a training scene depends on seed, epoch and index."""
        folds, trains = min(FOLDS, len(self.parts.calls)), split == "train"
        held_out = {number for number in self.held_folds if number < folds}
        trained = set(range(folds)) - held_out
        chosen = self.parts.fold(trained if trains or not held_out else held_out, folds)
        seed = None if trains else self.seed + (split == "test")
        scenes = Scenes(chosen, self, self.n_train if trains else self.n_val, seed)
        return DataLoader(scenes, self.batch_size, trains, collate_fn=_batch)


@final
class Scenes(Dataset[dict[str, Tensor]]):
    """Scenes as windows; without a seed, each one follows the draws of the loader."""

    def __init__(self, parts: Parts, data: Composed, n: int, seed: int | None) -> None:
        self.parts, self.data, self.n, self.seed = parts, data, n, seed

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        word = int(torch.randint(2**31, ())) if self.seed is None else self.seed
        rng, size = np.random.default_rng([word, index]), self.data.samples
        seconds = self.data.scene * size / RATE
        scene = compose(self.parts, seconds, rng, self.data.levels, self.data.vary)
        return {
            "samples": torch.from_numpy(scene.samples).reshape(-1, size),
            "target": torch.from_numpy(scene.target).reshape(-1, size // FRAME),
            "composed": torch.ones(self.data.scene, dtype=torch.bool),
        }


def _batch(scenes: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.cat([scene[name] for scene in scenes]) for name in scenes[0]}
