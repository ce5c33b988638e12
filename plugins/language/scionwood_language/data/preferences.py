"""Pairs of a better and a worse answer from a file, in batches."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, final

from torch import Tensor

from scionwood import RecipeError, SplitData
from scionwood.authoring import DataLoader, Split, call_in_child
from scionwood_language.data.batches import collate_pairs
from scionwood_language.data.splits import split_by_topic
from scionwood_language.model.tiny import TINY
from scionwood_language.model.weights import load_tokenizer
from scionwood_language.readers.pairs import Pair, read_pairs

SAMPLE = "sample"
SMALLEST = 10


@final
class Preferences(SplitData):
    """Requests with a better and a worse answer, in three splits without common requests.

    Shapes: a batch has `input_ids`, `labels` and `attention_mask`, each (2 x pair, token) int64.
        All chosen answers precede all rejected answers. Labels are -100 except for answers and
        their ends.

    Units: tokens.

    Source: your file in the format of TRL; the sample is ours.

    Args:
        source: JSON lines with `prompt`, `chosen` and `rejected`, or `sample` for 80 questions.
        tokenizer: the tokenizer of the backbone: the same name as `backbone.model`.
        max_length: the maximum number of tokens of prompt and answer. Longer pairs are refused.
        batch_size: the number of pairs in a batch.
        seed: the seed of the splits.

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
        super().__init__()
        if min(max_length, batch_size) < 1:
            sizes = f"{max_length} tokens, {batch_size} pairs"
            raise RecipeError(sizes, "each must be at least 1", "Give positive numbers")
        self.source, self.tokenizer_name = source, tokenizer
        self.max_length, self.batch_size, self.seed = max_length, batch_size, seed

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer, of transformers."""
        return load_tokenizer(self.tokenizer_name)

    @cached_property
    def splits(self) -> dict[str, list[Pair]]:
        """The pairs by split."""
        pairs = _sample() if self.source == SAMPLE else call_in_child(_read, Path(self.source))
        made = [Pair(*pair) for pair in pairs]
        requests = [repr(pair.prompt) for pair in made]
        if len(set(requests)) < SMALLEST:
            rule = f"three splits without common requests need at least {SMALLEST}"
            raise RecipeError(f"{self.source}: {len(set(requests))} requests", rule, "Add requests")
        numbers = split_by_topic(requests, seed=self.seed)
        return {name: [made[number] for number in mine] for name, mine in numbers.items()}

    def loader(self, split: Split) -> DataLoader:
        """Return batches of a split. Training batches have a new order each epoch."""
        pairs: Any = self.splits[split]
        return DataLoader(pairs, self.batch_size, split == "train", collate_fn=self.collate)

    def collate(self, pairs: list[Pair]) -> dict[str, Tensor]:
        """Return a batch of pairs."""
        return collate_pairs(self.tokenizer, pairs, self.max_length)


def _read(path: Path) -> list[tuple[Any, ...]]:
    return read_pairs(path, lambda pair, record, where: tuple(pair))


def _sample(n: int = 80) -> list[tuple[Any, ...]]:
    asked = ([{"role": "user", "content": f"What comes after {at}?"}] for at in range(n))
    return [(turns, f"{at + 1}.", f"{at - 1}.") for at, turns in enumerate(asked)]
