"""How a task corrupts its samples while it trains, and the properties that this must have."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Corruption:
    """The noise or the mask of a training step, with what must be true of it.

    A task returns it from `Task.corruption`, and its `losses` call the same functions. `scionwood
    audit training` draws from it and tests the properties.

    Shapes: a sample is (n, ...); times and labels are (n,).

    Attributes:
        name: what it is, such as `flow matching`.
        functions: the functions of the code that `losses` call, whose source is hashed.
        sample: `(n) -> (clean, label)`: samples to corrupt. Labels are whole numbers that the
            corruption must not depend on.
        apply: `(clean, time, label) -> (corrupted, hidden)`. `hidden` says for each element whether
            it was replaced; None for noise. `time` is None if there is none.
        time: `(n) -> times` as training draws them, uniform on [0, 1); None if there is none.
        rate: `(time) -> share` of the elements that are hidden, for a mask.
        scale: `(time) -> (share, deviation)`: what is left of the sample, and the standard
            deviation of the noise, for normal noise.
        mask: the value of every hidden element; None if hidden elements get other values.
        terminal: the time at which nothing of the sample is left; None if there is none.

    Example:
        >>> import torch
        >>> def add_noise(x):
        ...     return x + 0.1 * torch.randn_like(x)
        >>> noise = authoring.Corruption(
        ...     "input noise",
        ...     (add_noise,),
        ...     sample=lambda n: (torch.randn(n, 4), torch.randint(2, (n,))),
        ...     apply=lambda clean, time, label: (add_noise(clean), None),
        ...     scale=lambda time: (1.0, 0.1),
        ... )
        >>> noise.name
        'input noise'
    """

    name: str
    functions: tuple[Callable[..., Any], ...]
    sample: Callable[[int], tuple[Tensor, Tensor]]
    apply: Callable[[Tensor, Tensor | None, Tensor], tuple[Tensor, Tensor | None]]
    time: Callable[[int], Tensor] | None = None
    rate: Callable[[Tensor | None], Tensor | float] | None = None
    scale: Callable[[Tensor | None], tuple[Tensor | float, Tensor | float]] | None = None
    mask: float | None = None
    terminal: float | None = None

    @property
    def sha256(self) -> str:
        """The hash of the sources of `functions`, in order."""
        total = hashlib.sha256()
        for function in self.functions:
            total.update(inspect.getsource(function).encode())
        return total.hexdigest()

    def record(self) -> dict[str, str]:
        """Return what `scionwood.json` states: the name and the hash."""
        return {"name": self.name, "sha256": self.sha256}
