"""The output features that an adapter changes: all of a layer, or some of the parts q, k, v."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from scionwood import AdapterError


@final
@dataclass(frozen=True)
class Slices:
    """Disjoint ranges of output features in ascending order.

    Attributes:
        ranges: the first feature of each range, and the one after its last.
        features: the number of features of the layer.
    """

    ranges: tuple[tuple[int, int], ...]
    features: int

    @property
    def chosen(self) -> int:
        """The number of features in the ranges."""
        return sum(stop - start for start, stop in self.ranges)

    def take(self, tensor: Tensor, axis: int) -> Tensor:
        """Return the chosen features of a tensor, or the tensor itself if all are chosen.

        Args:
            tensor: a tensor of length `features` along `axis`.
            axis: the axis of the features.
        """
        if self.chosen == self.features:
            return tensor
        return torch.cat([tensor.narrow(axis, a, b - a) for a, b in self.ranges], axis)

    def add(self, tensor: Tensor, part: Tensor, axis: int) -> Tensor:
        """Return a copy of a tensor with `part` added to the chosen features.

        Args:
            tensor: a tensor of length `features` along `axis`.
            part: a tensor of length `chosen` along `axis`.
            axis: the axis of the features.
        """
        if self.chosen == self.features:
            return tensor + part
        pieces, at, used = [], 0, 0
        for start, stop in self.ranges:
            size = stop - start
            pieces.append(tensor.narrow(axis, at, start - at))
            pieces.append(tensor.narrow(axis, start, size) + part.narrow(axis, used, size))
            at, used = stop, used + size
        pieces.append(tensor.narrow(axis, at, self.features - at))
        return torch.cat(pieces, axis)


def slices_of(layer: Any, letters: str | None, sizes: Sequence[int] | None) -> Slices:
    """Return the features of a layer that an adapter changes.

    Args:
        layer: a layer with a weight (out, in, ...).
        letters: some of the letters q, k and v; `None` means all features.
        sizes: the numbers of features of q, k and v; `None` means three equal parts.

    Raises:
        AdapterError: the layer is not a fused q, k, v layer, or the sizes do not add up to its
            features.
    """
    out, width = layer.weight.shape[:2]
    if letters is None:
        return Slices(((0, out),), out)
    value = f"slices={letters!r} of {type(layer).__name__} with {width} inputs and {out} outputs"
    if getattr(layer, "groups", 1) > 1:
        rule = "a grouped convolution has no slices"
        raise AdapterError(value, rule, "Target other layers")
    if sizes is None and out != 3 * width:
        rule = "a fused layer of equal q, k and v has three times as many outputs as inputs"
        raise AdapterError(value, rule, "Give slice_sizes, or target only the fused layers")
    parts = [out // 3] * 3 if sizes is None else list(sizes)
    if sum(parts) != out:
        rule = f"slice_sizes {parts} add up to {sum(parts)}"
        raise AdapterError(value, rule, "Correct slice_sizes")
    starts = {"q": 0, "k": parts[0], "v": parts[0] + parts[1]}
    sized = dict(zip("qkv", parts, strict=True))
    ranges = [(starts[c], starts[c] + sized[c]) for c in "qkv" if c in letters]
    return Slices(tuple(ranges), out)
