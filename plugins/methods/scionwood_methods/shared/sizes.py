"""The numbers of features of a layer, which peft expects on every adapter layer."""

from __future__ import annotations

from typing import Any


class Sizes:
    """Gives a wrapper the attributes `in_features` and `out_features` of the layer that it wraps.

    A convolution gives its channels. A module that has no such numbers gives None, as in peft.
    """

    base_layer: Any

    @property
    def in_features(self) -> int | None:
        """The number of input features or channels."""
        return _size(self.base_layer, "in_features", "in_channels")

    @property
    def out_features(self) -> int | None:
        """The number of output features or channels."""
        return _size(self.base_layer, "out_features", "out_channels")


def _size(layer: Any, *names: str) -> int | None:
    sizes = (getattr(layer, name, None) for name in names)
    return next((size for size in sizes if isinstance(size, int)), None)
