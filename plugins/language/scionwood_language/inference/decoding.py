"""How tokens are chosen: the options of every verb that lets a model answer."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scionwood import RecipeError


@dataclass(frozen=True)
class Sampling:
    """How a model draws samples.

    Attributes:
        temperature: the divisor of the logits of samples.
        top_p: samples come from the most probable tokens that together reach this probability.
        max_new_tokens: the length at which an answer is cut off, tokens.
        batch_size: the number of prompts in a batch.
        seed: the seed of the samples.

    Raises:
        RecipeError: an option is out of range.

    Example:
        >>> from scionwood_language import Sampling
        >>> Sampling(temperature=0.7).top_p
        0.95
    """

    temperature: float = 0.8
    top_p: float = 0.95
    max_new_tokens: int = 96
    batch_size: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1 or self.batch_size < 1:
            sizes = f"max_new_tokens={self.max_new_tokens}, batch_size={self.batch_size}"
            raise RecipeError(sizes, "both must be at least 1", "Give positive numbers")
        is_positive = self.temperature > 0 and math.isfinite(self.temperature)
        if not is_positive or not 0 < self.top_p <= 1:
            options = f"temperature={self.temperature}, top_p={self.top_p}"
            rule = "temperature must be above 0, and top_p above 0 and at most 1"
            raise RecipeError(options, rule, "Such as 0.8 and 0.95")


@dataclass(frozen=True)
class Decoding(Sampling):
    """How tokens are chosen: the most probable ones, or samples.

    Attributes:
        sampled: sample each token instead of taking the most probable one.

    Example:
        >>> from scionwood_language import Decoding
        >>> Decoding(sampled=True, temperature=0.7, seed=3).name
        'sampled'
    """

    sampled: bool = False

    @property
    def name(self) -> str:
        """`greedy` or `sampled`."""
        return "sampled" if self.sampled else "greedy"
