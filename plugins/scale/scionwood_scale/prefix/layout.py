"""The keys of cached samples, and the conversion of a block's output to rows of bytes and back."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import prod
from typing import Any, Self, final

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import TreeSpec, tree_flatten, tree_leaves, tree_unflatten

from scionwood import TrainingError
from scionwood_scale.prefix.rows import Bytes

_PLAIN = (str, bytes, int, float, bool, type(None), torch.dtype, torch.device)


@final
@dataclass(frozen=True)
class Layout:
    """The form of a block's output: its nesting, and the shape of each tensor without the batch.

    Attributes:
        tree: the nesting of the tensors.
        shapes: the shape of one sample for each tensor; `None` if the output holds a `None`.
        dtypes: the dtypes of the tensors.
        stored: the dtype in which they are stored; `None` means their own.
        device: the device of the output.
    """

    tree: TreeSpec
    shapes: tuple[tuple[int, ...] | None, ...]
    dtypes: tuple[torch.dtype | None, ...]
    stored: torch.dtype | None
    device: torch.device

    @classmethod
    def of(cls, output: Any, n: int, stored: torch.dtype | None) -> Self:
        """Return the layout of an output.

        Args:
            output: a floating-point tensor (batch, ...), or nested tensors of this kind and `None`.
            n: the length of the batch.
            stored: the dtype in which to store it; `None` means its own.
        """
        leaves, tree = tree_flatten(output)
        for leaf in leaves:
            tensor = isinstance(leaf, Tensor) and leaf.is_floating_point() and leaf.ndim > 0
            if leaf is not None and not (tensor and len(leaf) == n):
                kind = tuple(leaf.shape) if isinstance(leaf, Tensor) else type(leaf).__name__
                rule = f"floating-point tensors whose first length is the batch's, {n}"
                remedy = "End the prefix at another block (`blocks`), or train without its cache"
                raise TrainingError(f"the frozen prefix returns {kind}", rule, remedy)
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
        """Return the layout as text that is the same in every process."""
        return f"{self.tree} {self.shapes} {self.dtypes} {self.stored} {self.device.type}"

    def pack(self, output: Any) -> Bytes:
        """Return the samples of an output as bytes, a copy.

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
        """Return the output that was packed, on its device and in its dtypes."""
        raw, start, leaves = torch.from_numpy(rows), 0, list[Tensor | None]()
        parts = iter(self._parts())
        for shape, output_dtype in zip(self.shapes, self.dtypes, strict=True):
            if shape is None:
                leaves.append(None)
                continue
            _, dtype, size = next(parts)
            part = raw[:, start : start + size].contiguous().view(dtype)
            leaves.append(part.view(len(rows), *shape).to(self.device, output_dtype))
            start += size
        return tree_unflatten(leaves, self.tree)

    def _parts(self) -> list[tuple[tuple[int, ...], torch.dtype, int]]:
        parts = []
        for shape, output_dtype in zip(self.shapes, self.dtypes, strict=True):
            if shape is not None and output_dtype is not None:
                dtype = self.stored or output_dtype
                parts.append((shape, dtype, prod(shape) * dtype.itemsize))
        return parts


def batch_length(leaves: list[Any]) -> int:
    """Return the first length of the first tensor of a model's input.

    Raises:
        TrainingError: there is no tensor, or the input holds an object without a known content.
    """
    for leaf in leaves:
        if not isinstance(leaf, (Tensor, *_PLAIN)):
            rule = "the model's input must be tensors and plain values, so that a sample has a key"
            remedy = "Give the model tensors, or train without the cache of its prefix"
            raise TrainingError(f"an input of type {type(leaf).__name__}", rule, remedy)
    lengths = [len(leaf) for leaf in leaves if isinstance(leaf, Tensor) and leaf.ndim]
    if not lengths or not lengths[0]:
        rule = "it must hold a tensor whose first length is that of the batch"
        raise TrainingError("the model's input", rule, "Train without the cache of its prefix")
    return lengths[0]


def sample_keys(leaves: list[Any]) -> list[bytes]:
    """Return the key of each sample of a batch: the SHA-256 of everything the model gets for it.

    A tensor whose first length is that of the batch counts row by row, any other input as a whole.
    The key follows the data and every transform, and a batch needs no indices.
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
        digest = common.copy()
        for raw in rows:
            digest.update(raw[sample].data)
        keys.append(digest.digest())
    return keys


def raw_bytes(tensor: Tensor) -> Bytes:
    """Return the bytes of a tensor in the order of its elements."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return np.asarray(flat.view(torch.uint8).numpy(), np.uint8)
