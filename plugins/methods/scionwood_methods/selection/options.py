"""The options of the short run that finds the strong heads."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ProxyRun:
    """A short run on a few random examples, which finds the strong heads.

    Attributes:
        examples: the random examples of the short run; P2D takes 100.
        steps: the optimiser steps of the short run.
        lr: the learning rate; by default a tenth of that of the recipe's task, because whole
            weights train.
        share: the share of all heads that count as strong; P2D takes a tenth.

    Example:
        >>> from scionwood_methods import ProxyRun, select_examples
        >>> short = ProxyRun(examples=4, steps=2)
        >>> choice = select_examples("seismic/denoise", "few", budget=0.25, proxy=short, smoke=True)
        >>> len(choice.chosen), choice.length
        (2, 8)
    """

    examples: int = 100
    steps: int = 30
    lr: float | None = None
    share: float = 0.1
