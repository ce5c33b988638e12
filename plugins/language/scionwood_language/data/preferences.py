"""Preference pairs and single verdicts, in batches of `language/trl`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from scionwood import ReadError, RecipeError, SplitData
from scionwood.authoring import DataLoader, Split, call_in_child
from scionwood_language.data.generated import turns
from scionwood_language.data.packing import collate_answers, collate_pairs
from scionwood_language.data.splits import split_by_topic
from scionwood_language.model.tiny import TINY
from scionwood_language.model.weights import load_tokenizer
from scionwood_language.readers.pairs import Pair, read_pairs
from scionwood_language.readers.rows import read_rows

SAMPLE = "sample"
SMALLEST = 10
GOOD = {"true": True, "1": True, "good": True, "false": False, "0": False, "bad": False}
"""The spellings of a verdict; a table has no other way to write one."""


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


class _FromFile(PreferenceData):
    """Rows of a file or of a sample, whose first part is the request, in three splits.

    Raises:
        RecipeError: there are fewer than 10 requests.
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

    def splits(self) -> dict[str, list[Any]]:
        """Return the rows by split. No request is in two splits."""
        return self._splits

    @cached_property
    def _splits(self) -> dict[str, list[Any]]:
        path = Path(self.source)
        rows = self.sample() if self.source == SAMPLE else call_in_child(self.read, path)
        requests = [repr(row[0]) for row in rows]
        if len(set(requests)) < SMALLEST:
            rule = f"three splits without common requests need at least {SMALLEST}"
            raise RecipeError(f"{self.source}: {len(set(requests))} requests", rule, "Add requests")
        numbers = split_by_topic(requests, seed=self.seed)
        return {name: [rows[number] for number in part] for name, part in numbers.items()}

    @staticmethod
    @abstractmethod
    def read(path: Path) -> list[tuple[Any, ...]]:
        """Return the rows of a file, in a child process."""

    @staticmethod
    @abstractmethod
    def sample() -> list[tuple[Any, ...]]:
        """Return the rows of `sample`."""


@final
class Preferences(_FromFile):
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

    @staticmethod
    def read(path: Path) -> list[tuple[Any, ...]]:
        """Return the pairs of a file."""
        return [tuple(pair) for pair in read_pairs(path)]

    @staticmethod
    def sample() -> list[tuple[Any, ...]]:
        """Return the pairs of `sample`."""
        requests = (turns(f"What comes after {number}?", "")[:1] for number in range(80))
        return [Pair(request, f"{at + 1}.", f"{at - 1}.") for at, request in enumerate(requests)]


@final
class Verdicts(_FromFile):
    """Requests with one answer each and a verdict, in three splits without common requests.

    Shapes: a batch has `input_ids`, `labels` and `attention_mask`, each (row, token) int64, and
        `label` (row,) bool, whether an answer is good. Labels are -100 except for answers.

    Units: tokens.

    Source: your file, in the format of TRL (`prompt`, `completion`, `label`); the sample is ours.

    Args:
        source: a file (.jsonl, .json, .csv, .tsv, .parquet), or `sample` for 80 questions.

    Raises:
        RecipeError: a size is not positive, a row is too long, or there are too few requests.
        ReadError: a row has no prompt, answer or verdict. The row is named.
        WeightsError: the tokenizer cannot be loaded.
    """

    def collate(self, pairs: Sequence[Any]) -> dict[str, Tensor]:
        """Return a batch, padded on the right, of requests, answers and verdicts."""
        answers = [(request, answer) for request, answer, _ in pairs]
        batch = collate_answers(self.tokenizer, answers, self.max_length)
        return {**batch, "label": torch.tensor([good for _, _, good in pairs])}

    @staticmethod
    def read(path: Path) -> list[tuple[Any, ...]]:
        """Return the verdicts of a file."""
        rows: list[tuple[Any, ...]] = []
        for where, row in read_rows(path):
            prompt, answer = (str(row.get(part) or "").strip() for part in ("prompt", "completion"))
            good = GOOD.get(str(row.get("label")).strip().lower())
            if not (prompt and answer) or good is None:
                rule = "a row has `prompt`, `completion`, and `label` as true or false"
                raise ReadError(where, rule, "Complete it, or remove it")
            rows.append((turns(prompt, "")[:1], answer, good))
        return rows

    @staticmethod
    def sample() -> list[tuple[Any, ...]]:
        """Return the verdicts of `sample`."""
        prompts = [turns(f"What comes after {number}?", "")[:1] for number in range(80)]
        return [(a, f"{n + (1 if n % 2 else -1)}.", bool(n % 2)) for n, a in enumerate(prompts)]
