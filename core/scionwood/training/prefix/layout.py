"""What a cached sample is called, and how a block's output becomes rows of bytes and back."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import prod
from typing import Any, Self, final

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import TreeSpec, tree_flatten, tree_leaves, tree_unflatten

from scionwood.errors import TrainingError
from scionwood.training.prefix.rows import Bytes

_PLAIN = (str, bytes, int, float, bool, type(None), torch.dtype, torch.device)


@final
@dataclass(frozen=True)
class Layout:
    """The form of a block's output: its nesting, and of each tensor the shape behind the batch.

    Attributes:
        tree: how the tensors are nested.
        shapes: of a sample, for each tensor; None where the output holds a None.
        dtypes: of the tensors.
        stored: the dtype in which they are kept; None for their own.
        device: where they belong.
    """

    tree: TreeSpec
    shapes: tuple[tuple[int, ...] | None, ...]
    dtypes: tuple[torch.dtype | None, ...]
    stored: torch.dtype | None
    device: torch.device

    @classmethod
    def of(cls, output: Any, n: int, stored: torch.dtype | None) -> Self:
        """The layout of an output.

        Args:
            output: a floating-point tensor (batch, ...), or a nest of such tensors and None.
            n: the length of the batch.
            stored: the dtype in which it is to be kept; None for its own.

        Raises:
            TrainingError: the output holds something else.
        """
        leaves, tree = tree_flatten(output)
        for leaf in leaves:
            tensor = isinstance(leaf, Tensor) and leaf.is_floating_point() and leaf.ndim > 0
            if leaf is not None and not (tensor and len(leaf) == n):
                found = tuple(leaf.shape) if isinstance(leaf, Tensor) else type(leaf).__name__
                rule = f"floating-point tensors whose first length is the batch's, {n}"
                remedy = "End the prefix at another block (`blocks`), or do without its cache"
                raise TrainingError(f"the frozen prefix returns {found}", rule, remedy)
        tensors = [leaf for leaf in leaves if leaf is not None]
        if not tensors:
            raise TrainingError("the frozen prefix", "it returns no tensor", "End it elsewhere")
        return cls(
            tree,
            tuple(None if leaf is None else tuple(leaf.shape[1:]) for leaf in leaves),
            tuple(None if leaf is None else leaf.dtype for leaf in leaves),
            stored,
            tensors[0].device,
        )

    @property
    def width(self) -> int:
        """Bytes of a sample."""
        return sum(size for _, _, size in self._parts())

    def describe(self) -> str:
        """The layout in words, which do not depend on the process."""
        return f"{self.tree} {self.shapes} {self.dtypes} {self.stored} {self.device.type}"

    def pack(self, output: Any) -> Bytes:
        """The samples of an output as bytes, a copy.

        Returns:
            (sample, width) uint8.
        """
        leaves = [leaf for leaf in tree_leaves(output) if leaf is not None]
        parts = [
            leaf.detach().to("cpu", dtype).reshape(len(leaf), -1).contiguous().view(torch.uint8)
            for leaf, (_, dtype, _) in zip(leaves, self._parts(), strict=True)
        ]
        return torch.cat(parts, 1).numpy()

    def unpack(self, rows: Bytes) -> Any:
        """An output of its samples' bytes, on the device and in the dtypes that it had."""
        raw, start, leaves = torch.from_numpy(rows), 0, list[Tensor | None]()
        parts = iter(self._parts())
        for shape, own in zip(self.shapes, self.dtypes, strict=True):
            if shape is None:
                leaves.append(None)
                continue
            _, dtype, size = next(parts)
            part = raw[:, start : start + size].contiguous().view(dtype)
            leaves.append(part.view(len(rows), *shape).to(self.device, own))
            start += size
        return tree_unflatten(leaves, self.tree)

    def _parts(self) -> list[tuple[tuple[int, ...], torch.dtype, int]]:
        found = []
        for shape, own in zip(self.shapes, self.dtypes, strict=True):
            if shape is not None and own is not None:
                dtype = self.stored or own
                found.append((shape, dtype, prod(shape) * dtype.itemsize))
        return found


def batch_length(leaves: list[Any]) -> int:
    """The first length of the first tensor of a model's input.

    Raises:
        TrainingError: there is none, or something in the input cannot be told by its content.
    """
    for leaf in leaves:
        if not isinstance(leaf, (Tensor, *_PLAIN)):
            rule = "the model's input is tensors and plain values, so that a sample has a key"
            remedy = "Give the model tensors, or do without the cache of its prefix"
            raise TrainingError(f"an input of type {type(leaf).__name__}", rule, remedy)
    lengths = [len(leaf) for leaf in leaves if isinstance(leaf, Tensor) and leaf.ndim]
    if not lengths or not lengths[0]:
        rule = "one tensor at least, whose first length is the batch's"
        raise TrainingError("the model's input", rule, "Do without the cache of its prefix")
    return lengths[0]


def sample_keys(leaves: list[Any]) -> list[bytes]:
    """The key of each sample of a batch: SHA-256 over all that the model is given for it.

    A tensor whose first length is the batch's counts by its rows, everything else whole. The key
    follows the data and every transform of it, and no index has to travel with a batch.

    Args:
        leaves: the flattened arguments of `forward`, in order.

    Returns:
        32 bytes a sample.
    """
    n, common = batch_length(leaves), hashlib.sha256()
    rows: list[Bytes] = []
    for place, leaf in enumerate(leaves):
        if not isinstance(leaf, Tensor):
            common.update(f"{place} {type(leaf).__name__} {leaf!r}\n".encode())
            continue
        shared = not leaf.ndim or len(leaf) != n
        shape = tuple(leaf.shape) if shared else tuple(leaf.shape[1:])
        common.update(f"{place} {leaf.dtype} {shape} {shared}\n".encode())
        raw = raw_bytes(leaf).reshape(1 if shared else n, -1)
        if shared:
            common.update(raw.data)
        else:
            rows.append(raw)
    keys = []
    for sample in range(n):
        own = common.copy()
        for raw in rows:
            own.update(raw[sample].data)
        keys.append(own.digest())
    return keys


def raw_bytes(tensor: Tensor) -> Bytes:
    """The bytes of a tensor in the order of its elements."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return np.asarray(flat.view(torch.uint8).numpy(), np.uint8)
