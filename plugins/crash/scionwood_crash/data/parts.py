"""The base class of the data: parts in three splits, and batches of them."""

from __future__ import annotations

import multiprocessing
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Literal, final

import torch
from torch.utils.data import Dataset

from scionwood import RecipeError, SplitData
from scionwood.authoring import DataLoader, Split
from scionwood_crash.data.encode import Coarse, Encoded, Encoder
from scionwood_crash.model import SIZES, SizeName
from scionwood_crash.model.graph import join
from scionwood_crash.morph.parametrise import Fallback
from scionwood_crash.parts.part import Part
from scionwood_crash.parts.series import STRAIN

Loader = Literal["own"]
"""The only loader; recipes of earlier runs name it."""


class Parts(SplitData):
    """Parts in three splits, which are encoded once.

    Args:
        size: size of the backbone, which sets the coarse grids.
        neighbours: number of coarse nodes that each node is connected to.
        coarse: `morph` the grids onto each part, leave them `fixed` (ablation), or make `none`:
            then networks that need no grids run on any mesh.
        fallback: `refuse` a part without two ends, or `project` the grid onto its axes.
        batch_size: parts in a batch.
        loader: only `own`; recipes of earlier runs name it.
        max_nodes: only null; recipes of earlier runs name it.
        workers: processes that read ahead; with 0, the training process reads.

    Attributes:
        conditions: names of the further conditions of the parts that were encoded last.
    """

    def __init__(
        self,
        size: SizeName,
        neighbours: int,
        coarse: Coarse,
        batch_size: int,
        *,
        fallback: Fallback = "refuse",
        workers: int = 0,
    ) -> None:
        super().__init__()
        self.size, self.neighbours = size, neighbours
        self.coarse, self.fallback, self.batch_size = coarse, fallback, batch_size
        self.conditions: tuple[str, ...] = ()
        self.workers = workers
        self._encoded: dict[str, Sequence[Encoded]] = {}

    @abstractmethod
    def parts(self, split: str) -> list[Part]:
        """Return the parts of a split with their displacements."""

    def encoded(self, split: str) -> Sequence[Encoded]:
        """Return the parts of a split as tensors."""
        if split not in self._encoded:
            encoder = self.encoder()
            parts = self.parts(split)
            self.conditions = tuple(sorted(parts[0].conditions)) if parts else ()
            self._encoded[split] = [encoder.encode(part) for part in parts]
        return self._encoded[split]

    def encoder(self) -> Encoder:
        """Return the encoder; fixed grids come from the first training part of each family."""
        plain = Encoder(
            SIZES[self.size],
            neighbours=self.neighbours,
            coarse="none" if self.coarse == "none" else "morph",
            fallback=self.fallback,
        )
        if self.coarse != "fixed":
            return plain
        references = {}
        for part in self.parts("train"):
            if part.family not in references:
                references[part.family] = plain.reference(part)
        return Encoder(
            SIZES[self.size],
            neighbours=self.neighbours,
            coarse="fixed",
            fallback=self.fallback,
            references=references,
        )

    def loader(self, split: Split) -> DataLoader:
        """Return the batches of a split; see `SplitData.loader`."""
        train = split == "train"
        collate = Collate([len(level) for level in SIZES[self.size].template().levels])
        dataset = _Encoded(self.encoded(split))
        if self.workers:
            # The server imports this module once; workers start again in each epoch.
            multiprocessing.get_context("forkserver").set_forkserver_preload([__name__])
        return DataLoader(
            dataset,
            self.batch_size,
            train,
            num_workers=self.workers,
            multiprocessing_context="forkserver" if self.workers else None,
            collate_fn=collate,
        )


@final
class Collate:
    """Join parts to a batch: `graph`, `displacement`, and `plastic_strain` if all parts have it.

    Args:
        levels: number of coarse nodes of a part on each level.
    """

    def __init__(self, levels: Sequence[int]) -> None:
        self.levels = list(levels)

    def __call__(self, parts: Sequence[Encoded]) -> dict[str, Any]:
        """Return a batch of parts, whose numbers of nodes may differ.

        Raises:
            RecipeError: the numbers of frames differ.
        """
        frames = sorted({part.displacement.shape[1] for part in parts})
        if len(frames) > 1:
            rule = f"all must have the same number of frames, not {frames}"
            raise RecipeError("histories of a batch", rule, "Write all files with the same number")
        if len(parts) == 1:  # a copy of a large part would double its memory
            return _alone(parts[0])
        batch: dict[str, Any] = {
            "graph": join([part.graph for part in parts], self.levels),
            "displacement": torch.cat([part.displacement for part in parts]),
        }
        if all(len(part.plastic_strain) for part in parts):
            batch[STRAIN] = torch.cat([part.plastic_strain for part in parts])
        return batch


def _alone(part: Encoded) -> dict[str, Any]:
    batch: dict[str, Any] = {"graph": part.graph, "displacement": part.displacement}
    return batch | ({STRAIN: part.plastic_strain} if len(part.plastic_strain) else {})


@final
class _Encoded(Dataset[Encoded]):
    def __init__(self, parts: Sequence[Encoded]) -> None:
        self.parts = parts

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, index: int) -> Encoded:
        return self.parts[index]
