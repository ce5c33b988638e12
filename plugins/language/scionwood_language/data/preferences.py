"""Preference pairs, in batches of `language/dpo`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, final

from torch import Tensor

from scionwood import RecipeError, SplitData
from scionwood.authoring import DataLoader, Split, call_in_child
from scionwood_language.data.batches import collate_pairs
from scionwood_language.data.generated import turns
from scionwood_language.data.splits import split_by_topic
from scionwood_language.model.tiny import TINY
from scionwood_language.model.weights import load_tokenizer
from scionwood_language.readers.pairs import Pair, read_pairs

SAMPLE = "sample"
SMALLEST = 10


class PreferenceData(SplitData):
    """Requests with a better and a worse answer, in three splits without common requests.

    Args:
        tokenizer: the tokenizer of the backbone: the same name as `backbone.model`.
        max_length: the maximum number of tokens of prompt and answer. Longer pairs are refused.
        batch_size: the number of pairs in a batch.
        seed: the seed of the splits.

    Raises:
        RecipeError: a size is not positive.

    Example:
        >>> from scionwood_language import PreferenceData
        >>> class Praise(PreferenceData):
        ...     def splits(self):
        ...         turns = [{"role": "user", "content": "Hi"}]
        ...         return {"train": [(turns, "Hello.", "No.")]}
        >>> next(iter(Praise().train_dataloader()))["input_ids"].shape[0]
        2
    """

    def __init__(
        self, tokenizer: str = TINY, max_length: int = 256, batch_size: int = 8, seed: int = 0
    ) -> None:
        super().__init__()
        if min(max_length, batch_size) < 1:
            sizes = f"{max_length} tokens, {batch_size} pairs"
            raise RecipeError(sizes, "each must be at least 1", "Give positive numbers")
        self.tokenizer_name, self.max_length = tokenizer, max_length
        self.batch_size, self.seed = batch_size, seed

    @abstractmethod
    def splits(self) -> dict[str, list[Any]]:
        """Return the pairs by split: each the turns of a request, a better and a worse answer."""

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer, of transformers."""
        return load_tokenizer(self.tokenizer_name)

    def loader(self, split: Split) -> DataLoader:
        """Return batches of a split. Training batches have a new order each epoch."""
        pairs: Any = self.splits()[split]
        return DataLoader(pairs, self.batch_size, split == "train", collate_fn=self.collate)

    def collate(self, pairs: Sequence[Any]) -> dict[str, Tensor]:
        """Return a batch: the chosen answers, then the rejected answers, padded on the right.

        Args:
            pairs: the pairs of the batch.

        Raises:
            RecipeError: a pair is longer than `max_length`.
        """
        return collate_pairs(self.tokenizer, pairs, self.max_length)

    def split_by_request(
        self, pairs: Sequence[Any], requests: Sequence[Any], source: object
    ) -> dict[str, list[Any]]:
        """Return pairs by split. No request is in two splits.

        Args:
            pairs: the pairs.
            requests: the request of each pair.
            source: where they come from, for errors.

        Raises:
            RecipeError: there are fewer than 10 requests.
        """
        topics = [repr(request) for request in requests]
        if len(set(topics)) < SMALLEST:
            rule = f"three splits without common requests need at least {SMALLEST}"
            raise RecipeError(f"{source}: {len(set(topics))} requests", rule, "Add requests")
        numbers = split_by_topic(topics, seed=self.seed)
        return {name: [pairs[number] for number in part] for name, part in numbers.items()}


@final
class Preferences(PreferenceData):
    """Requests with a better and a worse answer, in three splits without common requests.

    Shapes: a batch has `input_ids`, `labels` and `attention_mask`, each (2 x pair, token) int64.
        All chosen answers precede all rejected answers. Labels are -100 except for answers and
        their ends.

    Units: tokens.

    Source: your file in the format of TRL; the sample is ours.

    Args:
        source: JSON lines with `prompt`, `chosen` and `rejected`, or `sample` for 80 questions.

    Raises:
        RecipeError: a size is not positive, a pair is too long, or a file has too few requests.
        ReadError: the file is damaged.
        WeightsError: the tokenizer cannot be loaded.
    """

    def __init__(
        self,
        *,
        source: str | Path = SAMPLE,
        tokenizer: str = TINY,
        max_length: int = 256,
        batch_size: int = 8,
        seed: int = 0,
    ) -> None:
        super().__init__(tokenizer, max_length, batch_size, seed)
        self.source = source

    def splits(self) -> dict[str, list[Pair]]:
        """Return the pairs by split."""
        return self._splits

    @cached_property
    def _splits(self) -> dict[str, list[Pair]]:
        rows = _sample() if self.source == SAMPLE else call_in_child(_read, Path(self.source))
        pairs = [Pair(*row) for row in rows]
        return self.split_by_request(pairs, [pair.prompt for pair in pairs], self.source)


def _read(path: Path) -> list[tuple[Any, ...]]:
    return read_pairs(path, lambda pair, record, where: tuple(pair))


def _sample(n: int = 80) -> list[tuple[Any, ...]]:
    requests = (turns(f"What comes after {number}?", "")[:1] for number in range(n))
    return [(request, f"{at + 1}.", f"{at - 1}.") for at, request in enumerate(requests)]
