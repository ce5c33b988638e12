"""The samples of files: windows in time and space, and whole trajectories."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import final

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from scionwood import ReadError
from scionwood.authoring import DataFiles
from scionwood_pde.data.normaliser import Normaliser
from scionwood_pde.data.splits import Source, Trajectory, place_of


@final
class Windows(Dataset[dict[str, Tensor]]):
    """The samples of a split: one for each trajectory and time.

    Args:
        sources: the files.
        trajectories: the trajectories of the split.
        normaliser: the normaliser of the fields.
        crop: side of the cubes in voxels. `None` means the whole domain.
        stride: number of times from a state to its `next`; 0 gives single states.
        history: frames of a `state`.
        seed: seed of the places of crops. `None` means torch's global generator.
        data_files: the files as the user named them.
        numbers: conditions of the samples of each file, (sample, condition), if there are any.
        solids: samples also hold `mask`.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        trajectories: Sequence[Trajectory],
        normaliser: Normaliser,
        *,
        crop: int | None,
        stride: int,
        seed: int | None,
        data_files: DataFiles,
        history: int = 1,
        numbers: Sequence[np.ndarray] | None = None,
        solids: bool = False,
    ) -> None:
        self.data_files, self.solids, self.history = data_files, solids, history
        self.numbers = numbers
        self.sources, self.normaliser = sources, normaliser
        self.crop, self.stride, self.seed = crop, stride, seed
        self.places = [
            (trajectory, time)
            for trajectory in trajectories
            for time in range(len(sources[trajectory.source].layout.times) - stride * history)
        ]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        (number, sample), time = self.places[index]
        source = self.sources[number]
        # With stride 0 the range has one time: single states.
        times = range(time, time + self.stride * self.history + 1, self.stride or 1)
        with self.data_files.one_child(place_of(source)):
            frames = list(source.frames([(sample, t) for t in times], self._window(source, index)))
        states = [self.normaliser.apply(torch.from_numpy(np.array(f, np.float32))) for f in frames]
        mask = _mask(states, place_of(source)) if self.solids else None
        if mask is not None:
            # 0 is the mean of a normalised field.
            states = [state.nan_to_num() for state in states]
        window = {"state": torch.cat(states[: self.history])}
        window |= {"next": states[-1]} if self.stride else {}
        window |= {} if mask is None else {"mask": mask}
        if self.numbers is not None:
            window["conditions"] = torch.from_numpy(self.numbers[number][sample]).float()
        return window

    def _window(self, source: Source, index: int) -> list[slice] | None:
        """Return the crop of a sample as one slice for each axis."""
        if self.crop is None:
            return None
        generator = torch.default_generator
        if self.seed is not None:
            # A crop of its own for each sample, the same in every epoch and with any number of
            # workers.
            generator = torch.Generator().manual_seed((self.seed << 32) + index)
        starts = [
            int(torch.randint(side - self.crop + 1, (), generator=generator))
            for side in source.layout.sides
        ]
        return [slice(start, start + self.crop) for start in starts]


@final
class Runs:
    """The trajectories of a split, normalised, which are read when they are used.

    Args:
        sources: the files.
        places: the trajectories of the split.
        normaliser: the normaliser of the fields.
        stride: stored times from a state to the next.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        places: Sequence[Trajectory],
        normaliser: Normaliser,
        stride: int = 1,
    ) -> None:
        self.sources, self.places, self.normaliser = sources, places, normaliser
        self.stride = stride

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Tensor:
        number, sample = self.places[index]
        source = self.sources[number]
        times = range(0, len(source.layout.times), self.stride)
        frames = source.frames((sample, time) for time in times)
        states = torch.from_numpy(np.stack([np.array(frame, np.float32) for frame in frames]))
        return self.normaliser.apply(states)


def _mask(states: Sequence[Tensor], path: Path) -> Tensor:
    """Return 0 at the NaN of states and 1 elsewhere.

    Raises:
        ReadError: the NaN of two states lie at different points.
    """
    mask, *others = (state.isfinite() for state in states)
    if not all(torch.equal(mask, other) for other in others):
        rule = "NaN lies at different points at two times, and solid points do not move"
        raise ReadError(str(path), rule, "Fill them, or leave the times out")
    return mask.float()
