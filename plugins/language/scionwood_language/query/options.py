"""The options of tuning on variants of a question."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TuneOptions:
    """How an adapter is tuned on the variants of a question.

    Attributes:
        steps: the optimiser steps, each on all variants.
        rank: the rank of LoRA.
        lr: the learning rate.
        max_new_tokens: the length at which an answer is cut off, tokens.
        seed: the seed of the samples and the adapter.

    Example:
        >>> from scionwood_language import TuneOptions
        >>> TuneOptions(steps=4).rank
        8
    """

    steps: int = 8
    rank: int = 8
    lr: float = 1e-3
    max_new_tokens: int = 48
    seed: int = 0
