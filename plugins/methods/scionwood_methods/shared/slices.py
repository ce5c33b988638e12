"""The output features that an adapter changes: all of a layer's, or the q, k, v parts of some."""

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
    """Ranges of output features, ascending and apart.

    Attributes:
        ranges: first feature and the one past the last, of each range.
        features: how many the layer has.
    """

    ranges: tuple[tuple[int, int], ...]
    features: int

    @property
    def chosen(self) -> int:
        """How many features the ranges hold."""
        return sum(stop - start for start, stop in self.ranges)

    def take(self, whole: Tensor, axis: int) -> Tensor:
        """The chosen features of a tensor; the tensor itself where all are.

        Args:
            whole: `features` long on `axis`.
            axis: of the features.
        """
        if self.chosen == self.features:
            return whole
        return torch.cat([whole.narrow(axis, a, b - a) for a, b in self.ranges], axis)

    def add(self, whole: Tensor, part: Tensor, axis: int) -> Tensor:
        """Add to the chosen features, out of place.

        Args:
            whole: `features` long on `axis`.
            part: `chosen` long on `axis`.
            axis: of the features.
        """
        if self.chosen == self.features:
            return whole + part
        pieces, at, used = [], 0, 0
        for start, stop in self.ranges:
            size = stop - start
            pieces.append(whole.narrow(axis, at, start - at))
            pieces.append(whole.narrow(axis, start, size) + part.narrow(axis, used, size))
            at, used = stop, used + size
        pieces.append(whole.narrow(axis, at, self.features - at))
        return torch.cat(pieces, axis)


def slices_of(layer: Any, letters: str | None, sizes: Sequence[int] | None) -> Slices:
    """The features of a layer that an adapter changes.

    Args:
        layer: with a weight (out, in, ...).
        letters: some of q, k and v, or None for all features.
        sizes: numbers of features of q, k and v; None for three equal parts.

    Raises:
        AdapterError: the layer is no fused q, k, v, or the sizes do not add up to its features.
    """
    out, width = layer.weight.shape[:2]
    if letters is None:
        return Slices(((0, out),), out)
    found = f"slices={letters!r} of {type(layer).__name__} with {width} inputs and {out} outputs"
    if getattr(layer, "groups", 1) > 1:
        raise AdapterError(found, "a grouped convolution cannot be cut", "Target other layers")
    if sizes is None and out != 3 * width:
        rule = "a fused layer of equal q, k and v has three times as many outputs as inputs"
        raise AdapterError(found, rule, "Give slice_sizes, or target only the fused layers")
    parts = [out // 3] * 3 if sizes is None else list(sizes)
    if sum(parts) != out:
        raise AdapterError(found, f"slice_sizes {parts} add up to {sum(parts)}", "Correct them")
    starts = {"q": 0, "k": parts[0], "v": parts[0] + parts[1]}
    sized = dict(zip("qkv", parts, strict=True))
    ranges = [(starts[c], starts[c] + sized[c]) for c in "qkv" if c in letters]
    return Slices(tuple(ranges), out)
