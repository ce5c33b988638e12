"""The options that several methods share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from peft import PeftConfig

from scionwood import AdapterError


@dataclass
class MethodConfig(PeftConfig, ABC):  # type: ignore[misc]  # peft has no type hints
    """The options of every method of this plugin that adapts single layers.

    Args:
        target_modules: names of modules, or one pattern for whole names; `all-linear` works too.
        exclude_modules: names of modules to leave out, or a pattern.
        layers_to_transform: indices of the blocks to adapt; needs a list of `target_modules`.
        layers_pattern: the name of the list of blocks, for `layers_to_transform`.
        modules_to_save: modules that are trained as a whole and saved with the adapter.
        dropout: the dropout probability, 0 to 1. Each method says where dropout acts.
        slices: which of q, k and v the adapter of a fused layer changes, such as `qv`. `None`
            means all outputs. The chosen slices share one update, as in peft's LoRA.
        slice_sizes: the numbers of output features of q, k and v, for grouped queries. `None`
            means three equal parts of a layer with three times as many outputs as inputs.
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
        """Check the options.

        Raises:
            AdapterError: naming the option that has a wrong value.
        """
        super().__post_init__()
        if not 0 <= self.dropout < 1:
            raise AdapterError(f"dropout={self.dropout}", "it must be in 0 <= dropout < 1")
        letters = self.slices
        if letters is not None and (not letters or set(letters) - set("qkv")):
            rule = "it must consist of the letters q, k and v"
            raise AdapterError(f"slices={letters!r}", rule, "Write 'qv', for example")
        sizes = self.slice_sizes
        if sizes is not None and (len(sizes) != 3 or min(sizes) < 1 or letters is None):
            rule = "it must hold the three sizes of q, k and v, and needs `slices`"
            raise AdapterError(f"slice_sizes={sizes}", rule, "Write [64, 16, 16], for example")

    @property
    @abstractmethod
    def scale(self) -> float:
        """The factor that multiplies the update, without unit."""


@dataclass
class LowRankConfig(MethodConfig, ABC):
    """The options of the methods with low-rank factors.

    Args:
        r: the rank; for a method with several pairs of factors, the sum of their ranks.
        alpha: the update is multiplied by alpha / r.
    """

    r: int = 8
    alpha: float = 16.0

    def __post_init__(self) -> None:
        """Check the rank.

        Raises:
            AdapterError: r is below 1.
        """
        super().__post_init__()
        if self.r < 1:
            raise AdapterError(f"r={self.r}", "the rank must be at least 1")

    @property
    def scale(self) -> float:
        """The ratio alpha / r."""
        return self.alpha / self.r
