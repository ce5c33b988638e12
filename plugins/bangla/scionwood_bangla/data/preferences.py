"""Pairs of answers at a right and a wrong level of address, for preference optimisation."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from random import Random
from typing import final

from bangla_checker import LEVELS, restate
from scionwood import RecipeError
from scionwood_bangla.data.conversations import shipped
from scionwood_bangla.model.weights import TINY, place_of, plain
from scionwood_bangla.text.examples import Example
from scionwood_language import PreferenceData

Pair = tuple[list[dict[str, str]], str, str]
"""The turns of a request, an answer at its level, and the same answer at a wrong level."""


@final
class Preferences(PreferenceData):
    """The conversations of the package, each with its answer and the answer at a wrong level.

    The checker rewrites the answer. Answers that it cannot rewrite for certain are left out.
    Validation and test use pairs of verb and tense that training never shows. For a file of your
    pairs, use `language/preferences`.

    Shapes: a batch has `input_ids`, `labels` and `attention_mask`, each (2 x pair, token) int64.
        All chosen answers precede all rejected answers. Labels are -100 except for answers and
        their ends.

    Units: tokens.

    Source: this project.

    Args:
        n_train: the number of conversations for training, at most 8,000.
        n_val: the number of conversations for validation.
        n_test: the number of conversations for the test; with those of validation at most 600.
        seed: the seed that draws the wrong levels.

    Raises:
        RecipeError: a size is not positive, or a pair is too long.
        WeightsError: the tokenizer cannot be loaded.
    """

    def __init__(
        self,
        *,
        n_train: int = 1200,
        n_val: int = 60,
        n_test: int = 240,
        tokenizer: str = TINY,
        max_length: int = 256,
        batch_size: int = 16,
        seed: int = 0,
    ) -> None:
        super().__init__(place_of(tokenizer), max_length, batch_size, seed)
        self.counts = (n_train, n_val, n_test)
        if min(self.counts) < 1:
            value = f"n_train, n_val, n_test = {self.counts}"
            raise RecipeError(value, "each must be at least 1", "Give positive numbers")

    def splits(self) -> dict[str, list[Pair]]:
        """Return the pairs by split."""
        return self._splits

    @cached_property
    def _splits(self) -> dict[str, list[Pair]]:
        train, val, test = self.counts
        unseen = shipped("unseen")[: val + test]
        parts = {"train": shipped("train")[:train], "val": unseen[:val], "test": unseen[val:]}
        return {name: pairs(part, Random(self.seed)) for name, part in parts.items()}


def pairs(examples: Sequence[Example], random: Random) -> list[Pair]:
    """Pair each answer with the same answer at a wrong level.

    Both have the same content, so that a model can learn only the level from a pair.

    Args:
        examples: the examples, each with its levels.
        random: draws the wrong levels.
    """
    made = []
    for example in examples:
        wrong = [level for level in LEVELS if level not in (example.register or LEVELS)]
        changed = (restate(example.completion, level) for level in random.sample(wrong, len(wrong)))
        worse = next((text for text in changed if text is not None), None)
        if worse is not None:
            made.append((plain(example.prompt), example.completion, worse))
    return made
