"""The data component of preference optimisation: pairs of answers in batches."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, final

from torch import Tensor

from scionwood import RecipeError
from scionwood_bangla.data.pairs import Preference, from_examples, read_preferences
from scionwood_bangla.model.weights import TINY, place_of, plain
from scionwood_bangla.text.examples import Example, Message
from scionwood_language import PreferenceData


@final
class Preferences(PreferenceData):
    """Requests with a better and a worse answer, in three splits without common requests.

    Without a file the pairs are generated: each answer of the generator is paired with the same
    answer at a wrong level or at mixed levels. Validation and test then use pairs of verb and tense
    that training never shows.

    Shapes: a batch has `input_ids`, `labels` and `attention_mask`, each (2 x pair, token) int64.
        All chosen answers precede all rejected answers. Labels are -100 except for answers and
        their ends.

    Units: tokens.

    Source: this project. Files in the format of TRL (`prompt`, `chosen`, `rejected`) are read too.

    Args:
        source: JSON lines, as `scionwood bangla prefer` writes them. null generates pairs.
        n_train: the number of generated examples for training.
        n_val: the number of generated examples for validation.
        n_test: the number of generated examples for the test.
        seed: the seed of generated pairs, and of the splits of a file.

    Raises:
        RecipeError: a size is not positive, a pair is too long, or a file has too few requests.
        ReadError: the file is damaged.
        WeightsError: the tokenizer cannot be loaded.
    """

    def __init__(
        self,
        *,
        source: str | Path | None = None,
        n_train: int = 1200,
        n_val: int = 60,
        n_test: int = 240,
        tokenizer: str = TINY,
        max_length: int = 256,
        batch_size: int = 16,
        seed: int = 0,
    ) -> None:
        super().__init__(place_of(tokenizer), max_length, batch_size, seed)
        self.source, self.counts = source, (n_train, n_val, n_test)
        if min(self.counts) < 1:
            value = f"n_train, n_val, n_test = {self.counts}"
            raise RecipeError(value, "each must be at least 1", "Give positive numbers")

    def splits(self) -> dict[str, list[Preference]]:
        """Return the pairs by split."""
        return self._splits

    def examples(self, split: str) -> list[Example]:
        """Return the requests of a split with their better answers.

        Args:
            split: `train`, `val` or `test`.
        """
        return [
            Example((*pair.prompt, Message("assistant", pair.chosen)), pair.register)
            for pair in self.splits()[split]
        ]

    def collate(self, pairs: Sequence[Any]) -> dict[str, Tensor]:
        """Return a batch: the chosen answers, then the rejected answers, padded on the right.

        Args:
            pairs: the pairs of the batch.

        Raises:
            RecipeError: a pair is longer than `max_length`.
        """
        return super().collate([(plain(p.prompt), p.chosen, p.rejected) for p in pairs])

    @cached_property
    def _splits(self) -> dict[str, list[Preference]]:
        if self.source is None:
            return self._generate()
        pairs = read_preferences(self.source)
        return self.split_by_request(pairs, [pair.prompt for pair in pairs], self.source)

    def _generate(self) -> dict[str, list[Preference]]:
        from scionwood_bangla.generator.make import examples

        train, val, test = self.counts
        train_examples = examples(train, seed=self.seed)
        unseen = examples(val + test, seed=self.seed, which="unseen")
        parts = {"train": train_examples, "val": unseen[:val], "test": unseen[val:]}
        return {name: from_examples(part, seed=self.seed) for name, part in parts.items()}
