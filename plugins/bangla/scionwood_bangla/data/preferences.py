"""Pairs of answers in batches: from a file, or from the generator's examples."""

from __future__ import annotations

from pathlib import Path
from typing import Any, final

import lightning as L
import torch
from torch import Tensor

from scionwood import DataLoader, RecipeError
from scionwood_bangla.data.pairs import Preference, from_examples, read_preferences
from scionwood_bangla.data.splits import split_by_topic
from scionwood_bangla.text.examples import Example, Message
from scionwood_bangla.text.templates import IGNORED, Encoded, encode


@final
class Preferences(L.LightningDataModule):
    """Requests with a better and a worse answer, in three splits; no request is in two of them.

    Without a file the pairs are made: the generator's answers against the same ones at a wrong
    level or with mixed ones; validation and test then have pairs of verb and tense that training
    has not.

    Shapes: a batch holds `input_ids`, `labels` and `attention_mask`, each (2 pairs, token) int64,
        the chosen answers before the rejected ones; labels are -100 but for answers and their end.

    Units: none.

    Source: this project's; pairs of TRL's format (`prompt`, `chosen`, `rejected`) are read too.

    Args:
        source: JSON lines, as `scionwood bangla prefer` writes them; made-up pairs where null.
        n_train: examples from which pairs for training are made.
        n_val: the same for validation.
        n_test: the same for the test.
        tokenizer: tiny, a local folder, or owner/name on the hub; that of the backbone.
        max_length: tokens of prompt and answer; longer pairs are refused.
        batch_size: pairs a batch.
        seed: of what is made, and of the splits of a file.

    Raises:
        RecipeError: a size is not positive, a pair is too long, or a file has too few requests.
        ReadError: the file is damaged.
        WeightsError: the tokenizer cannot be had.
    """

    def __init__(
        self,
        *,
        source: Path | None = None,
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
            raise RecipeError(sizes, "each is 1 or more")
        self.source, self.counts, self.tokenizer_name = source, (n_train, n_val, n_test), tokenizer
        self.max_length, self.batch_size, self.seed = max_length, batch_size, seed
        self._splits: dict[str, list[Preference]] = {}
        self._tokenizer: Any = None

    def splits(self) -> dict[str, list[Preference]]:
        """The pairs by split."""
        if not self._splits:
            self._splits = self._made() if self.source is None else self._read(Path(self.source))
        return self._splits

    def examples(self, split: str) -> list[Example]:
        """The requests of a split with their better answers.

        Args:
            split: train, val or test.
        """
        return [
            Example((*pair.prompt, Message("assistant", pair.chosen)), pair.register)
            for pair in self.splits()[split]
        ]

    @property
    def tokenizer(self) -> Any:
        """Loaded when it is first needed."""
        if self._tokenizer is None:
            from scionwood_bangla.model.weights import load_tokenizer

            self._tokenizer = load_tokenizer(self.tokenizer_name)
        return self._tokenizer

    def train_dataloader(self) -> DataLoader:
        """Batches in another order each epoch."""
        return self._loader("train", shuffle=True)

    def val_dataloader(self) -> DataLoader:
        """Batches of the validation split."""
        return self._loader("val")

    def test_dataloader(self) -> DataLoader:
        """Batches of the test split."""
        return self._loader("test")

    def collate(self, pairs: list[Preference]) -> dict[str, Tensor]:
        """A batch: the chosen answers, then the rejected ones, padded on their right.

        Args:
            pairs: any number.

        Raises:
            RecipeError: one of them is too long.
        """
        texts = [self._encoded(pair, pair.chosen) for pair in pairs]
        texts += [self._encoded(pair, pair.rejected) for pair in pairs]
        width, pad = max(len(each.input_ids) for each in texts), self.tokenizer.pad_token_id
        rows: dict[str, list[list[int]]] = {"input_ids": [], "labels": [], "attention_mask": []}
        for each in texts:
            ids = each.input_ids
            rest = width - len(ids)
            rows["input_ids"].append(ids + [pad] * rest)
            rows["labels"].append(each.labels + [IGNORED] * rest)
            rows["attention_mask"].append([1] * len(ids) + [0] * rest)
        return {name: torch.tensor(values) for name, values in rows.items()}

    def _encoded(self, pair: Preference, answer: str) -> Encoded:
        turns = (*pair.prompt, Message("assistant", answer))
        found = encode(self.tokenizer, Example(turns, pair.register))
        if len(found.input_ids) > self.max_length:
            rule = f"max_length is {self.max_length}, and an answer cut short has no end to learn"
            raise RecipeError(f"a pair of {len(found.input_ids)} tokens", rule, "Raise it")
        return found

    def _made(self) -> dict[str, list[Preference]]:
        from scionwood_bangla.generator.make import examples

        train, val, test = self.counts
        seen = examples(train, seed=self.seed)
        unseen = examples(val + test, seed=self.seed, which="unseen")
        parts = {"train": seen, "val": unseen[:val], "test": unseen[val:]}
        return {name: from_examples(part, seed=self.seed) for name, part in parts.items()}

    def _read(self, path: Path) -> dict[str, list[Preference]]:
        pairs = read_preferences(path)
        requests = [repr(pair.prompt) for pair in pairs]
        if len(set(requests)) < 10:
            rule = "each of the three splits needs some of its own"
            raise RecipeError(f"{path}: {len(set(requests))} requests", rule, "Write 10 or more")
        numbers = split_by_topic(requests, seed=self.seed)
        return {name: [pairs[number] for number in mine] for name, mine in numbers.items()}

    def _loader(self, split: str, *, shuffle: bool = False) -> DataLoader:
        pairs: Any = self.splits()[split]
        return DataLoader(pairs, self.batch_size, shuffle, collate_fn=self.collate)
