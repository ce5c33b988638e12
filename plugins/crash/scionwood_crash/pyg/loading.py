"""Batches of parts by the collater and the sampler of PyTorch Geometric."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any, final

import torch
from torch_geometric.loader import DynamicBatchSampler
from torch_geometric.loader.dataloader import Collater

from scionwood import RecipeError
from scionwood.authoring import DataLoader
from scionwood_crash.data.encode import Encoded
from scionwood_crash.model import SizeName
from scionwood_crash.pyg.bridge import PartData, from_pyg, to_pyg


def loader_of(
    parts: Sequence[Encoded],
    size: SizeName,
    *,
    batch_size: int,
    max_nodes: int | None = None,
    shuffle: bool = False,
) -> DataLoader:
    """Return batches of parts that PyG joins; a run with it resumes exactly.

    Args:
        parts: the encoded parts.
        size: the size of network for which they were encoded.
        batch_size: parts in a batch.
        max_nodes: nodes in a batch at most, in place of `batch_size`: PyG's `DynamicBatchSampler`.
        shuffle: whether each epoch has another order.

    Raises:
        RecipeError: a part alone has more nodes than `max_nodes`.
    """
    data = [to_pyg(part, size) for part in parts]
    collate = _ToBatch(data)
    if max_nodes is None:
        return DataLoader(data, batch_size, shuffle, collate_fn=collate)  # type: ignore[arg-type]
    largest = max((part.num_nodes for part in data), default=0)
    if largest > max_nodes:
        rule = f"the largest part has {largest} nodes"
        remedy = f"Give at least {largest}; backbone.max_nodes of crash/meshgraphnet cuts parts"
        raise RecipeError(f"max_nodes {max_nodes}", rule, remedy)
    batches = _ByNodes(data, max_nodes, shuffle=shuffle)
    return DataLoader(data, batch_sampler=batches, collate_fn=collate)  # type: ignore[arg-type]


@final
class _ByNodes(DynamicBatchSampler):  # type: ignore[misc]  # torch_geometric is untyped
    """PyG's sampler with an order that depends on seed and epoch alone, and so a known length."""

    def __init__(self, data: Sequence[PartData], max_nodes: int, *, shuffle: bool) -> None:
        super().__init__(data, max_nodes, shuffle=shuffle)
        self.epoch, self.seed = 0, int(os.environ.get("PL_GLOBAL_SEED", "0"))

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of an epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed + self.epoch)
            batches = list(super().__iter__())
        return iter(batches)

    def __len__(self) -> int:
        return len(list(iter(self)))


@final
class _ToBatch(Collater):  # type: ignore[misc]  # torch_geometric is untyped
    """Join parts by PyG, and return what the task reads; see `scionwood_crash.data.parts`."""

    def __call__(self, parts: list[PartData]) -> dict[str, Any]:
        strain = "plastic_strain"
        with_strain = [part for part in parts if strain in part]
        self.exclude_keys = [strain] if 0 < len(with_strain) < len(parts) else []
        joined = super().__call__(parts)
        batch = {"graph": from_pyg(joined), "displacement": joined.y}
        return batch | ({strain: joined[strain]} if strain in joined else {})
