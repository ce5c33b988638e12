"""The options that the methods share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from peft import PeftConfig

from scionwood import AdapterError


@dataclass
class MethodConfig(PeftConfig, ABC):
    """What every method of this plugin has.

    Args:
        target_modules: names of modules, or one pattern over whole names; `all-linear` works too.
        exclude_modules: names or a pattern of modules to leave out.
        layers_to_transform: indices of the blocks to adapt; needs a list of `target_modules`.
        layers_pattern: the name of the list of blocks, for `layers_to_transform`.
        modules_to_save: modules that are trained whole and saved beside the adapter.
        dropout: the share that is dropped in training, 0 to 1; of what, the method says.
        slices: which of q, k and v a fused layer's adapter changes, such as `qv`; None for all
            outputs. The chosen slices share one update, as peft's LoRA on a fused layer does.
        slice_sizes: numbers of output features of q, k and v, for grouped queries. By default
            three equal parts, of a layer with three times as many outputs as inputs.
    """

    target_modules: list[str] | str | None = None
    exclude_modules: list[str] | str | None = None
    layers_to_transform: list[int] | int | None = None
    layers_pattern: list[str] | str | None = None
    modules_to_save: list[str] | None = None
    dropout: float = 0.0
    slices: str | None = None
    slice_sizes: list[int] | None = None

    def __post_init__(self) -> None:
        """Refuse values that no layer could take.

        Raises:
            AdapterError: naming the option.
        """
        super().__post_init__()
        if not 0 <= self.dropout < 1:
            raise AdapterError(f"dropout={self.dropout}", "it is a share, 0 <= dropout < 1")
        letters = self.slices
        if letters is not None and (not letters or set(letters) - set("qkv")):
            raise AdapterError(f"slices={letters!r}", "it is made of q, k and v", "Such as 'qv'")
        sizes = self.slice_sizes
        if sizes is not None and (len(sizes) != 3 or min(sizes) < 1 or letters is None):
            rule = "it has the three sizes of q, k and v, and goes with `slices`"
            raise AdapterError(f"slice_sizes={sizes}", rule, "Such as [64, 16, 16]")

    @property
    @abstractmethod
    def scale(self) -> float:
        """What the update is multiplied by, without unit."""


@dataclass
class LowRankConfig(MethodConfig, ABC):
    """What the methods with two low-rank factors have.

    Args:
        r: the rank; for a method with several pairs of factors, the sum of their ranks.
        alpha: the update is multiplied by alpha / r.
    """

    r: int = 8
    alpha: float = 16.0

    def __post_init__(self) -> None:
        """Refuse a rank that is none.

        Raises:
            AdapterError: r is below 1.
        """
        super().__post_init__()
        if self.r < 1:
            raise AdapterError(f"r={self.r}", "a rank is 1 or more")

    @property
    def scale(self) -> float:
        """The quotient alpha / r."""
        return self.alpha / self.r
