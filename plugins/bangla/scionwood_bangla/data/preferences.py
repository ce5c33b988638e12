"""The data component of preference optimisation: pairs of answers in batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any, final

from torch import Tensor

from scionwood import RecipeError, SplitData
from scionwood.authoring import DataLoader, Split
from scionwood_bangla.data.pairs import Preference, from_examples, read_preferences
from scionwood_bangla.model.weights import language, load_tokenizer, plain
from scionwood_bangla.text.examples import Example, Message


@final
class Preferences(SplitData):
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
        tokenizer: the tokenizer of the backbone: tiny, a local folder, or owner/name on the hub.
        max_length: the maximum number of tokens of prompt and answer. Longer pairs are refused.
        batch_size: the number of pairs in a batch.
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
        tokenizer: str = "tiny",
        max_length: int = 256,
        batch_size: int = 16,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if min(n_train, n_val, n_test, max_length, batch_size) < 1:
            sizes = (
                f"{n_train}, {n_val}, {n_test} examples, {max_length} tokens, {batch_size} pairs"
            )
            raise RecipeError(sizes, "each must be at least 1", "Give positive numbers")
        self.source, self.counts, self.tokenizer_name = source, (n_train, n_val, n_test), tokenizer
        self.max_length, self.batch_size, self.seed = max_length, batch_size, seed
        self._splits: dict[str, list[Preference]] = {}
        self._tokenizer: Any = None

    def splits(self) -> dict[str, list[Preference]]:
        """Return the pairs by split."""
        if not self._splits:
            self._splits = self._generated() if self.source is None else self._read(self.source)
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

    @property
    def tokenizer(self) -> Any:
        """The tokenizer, of transformers. It is loaded at its first use."""
        if self._tokenizer is None:
            self._tokenizer = load_tokenizer(self.tokenizer_name)
        return self._tokenizer

    def loader(self, split: Split) -> DataLoader:
        """Return batches of a split. Training batches have a new order each epoch."""
        pairs: Any = self.splits()[split]
        return DataLoader(pairs, self.batch_size, split == "train", collate_fn=self.collate)

    def collate(self, pairs: list[Preference]) -> dict[str, Tensor]:
        """Return a batch: the chosen answers, then the rejected answers, padded on the right.

        Args:
            pairs: the pairs of the batch.

        Raises:
            RecipeError: a pair is longer than `max_length`.
        """
        answers = [(plain(pair.prompt), pair.chosen, pair.rejected) for pair in pairs]
        batch: dict[str, Tensor] = language("collate_pairs")(
            self.tokenizer, answers, self.max_length
        )
        return batch

    def _generated(self) -> dict[str, list[Preference]]:
        from scionwood_bangla.generator.make import examples

        train, val, test = self.counts
        seen = examples(train, seed=self.seed)
        unseen = examples(val + test, seed=self.seed, which="unseen")
        parts = {"train": seen, "val": unseen[:val], "test": unseen[val:]}
        return {name: from_examples(part, seed=self.seed) for name, part in parts.items()}

    def _read(self, path: str | Path) -> dict[str, list[Preference]]:
        pairs = read_preferences(path)
        requests = [repr(pair.prompt) for pair in pairs]
        if len(set(requests)) < 10:
            rule = "three splits without common requests need at least 10"
            raise RecipeError(f"{path}: {len(set(requests))} requests", rule, "Add requests")
        numbers = language("split_by_topic")(requests, seed=self.seed)
        return {name: [pairs[number] for number in mine] for name, mine in numbers.items()}
