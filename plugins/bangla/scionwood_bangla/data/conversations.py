"""Conversations as batches of tokens, in three splits: made by the generator, or from files."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, final

import lightning as L
from torch.utils.data import Dataset

from scionwood import DataLoader, RecipeError
from scionwood_bangla.data.packing import Collate, Row, joined, pack, row_of
from scionwood_bangla.data.splits import split_by_topic
from scionwood_bangla.evaluation.fertility import WARN, words_of_text
from scionwood_bangla.generator.make import examples
from scionwood_bangla.model.weights import TINY, load_tokenizer
from scionwood_bangla.readers.layouts import Layout
from scionwood_bangla.readers.load import BadRows, read_examples
from scionwood_bangla.text.examples import Example
from scionwood_bangla.text.templates import Encoded, encode

SAMPLE = "sample"
TRUNCATED = 0.01
"""The share of truncated rows above which there is a warning."""

Split = Literal["train", "val", "test"]


class Conversations(L.LightningDataModule, ABC):
    """Conversations whose last turn is learned.

    Args:
        tokenizer: that of the backbone: `tiny`, a folder, or owner/name on the hub.
        max_length: tokens of an example, and of a packed row.
        packing: put several examples in a row, in training.
        batch_size: rows a batch.
        seed: of all that is drawn.
    """

    def __init__(
        self,
        *,
        tokenizer: str = TINY,
        max_length: int = 256,
        packing: bool = True,
        batch_size: int = 8,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if max_length < 2:
            rule = "an example has 2 tokens at least"
            raise RecipeError(f"max_length {max_length}", rule, "Give the model's window")
        self.tokenizer_name, self.max_length, self.packing = tokenizer, max_length, packing
        self.batch_size, self.seed = batch_size, seed

    @abstractmethod
    def examples(self, split: Split) -> list[Example]:
        """The examples of a split."""

    @cached_property
    def tokenizer(self) -> Any:
        """Of transformers."""
        return load_tokenizer(self.tokenizer_name)

    def train_dataloader(self) -> DataLoader:
        """Rows for training, in another order each epoch."""
        return self._loader("train")

    def val_dataloader(self) -> DataLoader:
        """Rows of one example, with its prompt for generation."""
        return self._loader("val")

    def test_dataloader(self) -> DataLoader:
        """As for validation."""
        return self._loader("test")

    def rows(self, split: Split) -> list[Row]:
        """The rows of a split, see `Collate`; in training packed, where asked for.

        Args:
            split: which one.

        Raises:
            RecipeError: the split has no example, or the prompts fill the window.
        """
        found = self.examples(split)
        coded = [encode(self.tokenizer, example) for example in found]
        if split == "train":
            _warn_of_fertility(found, coded, self.max_length)
        pairs = self._fitted(found, coded, split)
        if split != "train":
            return [row_of(code, example, prompt=True) for example, code in pairs]
        rows = [row_of(code, example, prompt=False) for example, code in pairs]
        if not self.packing:
            return rows
        groups = pack([len(row["input_ids"]) for row in rows], self.max_length)
        return [joined([rows[number] for number in group]) for group in groups]

    def _fitted(
        self, found: list[Example], coded: list[Encoded], split: str
    ) -> list[tuple[Example, Encoded]]:
        # What is cut has no end that could be learned; where no answer is left, the row goes.
        cut = sum(len(code.input_ids) > self.max_length for code in coded)
        if cut > TRUNCATED * len(coded):
            told = f"{cut} of {len(coded)} examples of {split} are longer than {self.max_length}"
            warnings.warn(f"{told} tokens and were cut; raise data.max_length", stacklevel=4)
        kept = []
        for example, code in zip(found, coded, strict=True):
            room = self.max_length - len(code.prompt)
            if room > 0:
                kept.append((example, Encoded(code.prompt, code.completion[:room])))
        if not kept:
            rule = "there is no example, or the prompts alone fill max_length"
            raise RecipeError(f"{split} split", rule, "Give more data, or raise data.max_length")
        return kept

    def _loader(self, split: Split) -> DataLoader:
        collate = Collate(self.tokenizer.pad_token_id)
        dataset = _Rows(self.rows(split))
        return DataLoader(dataset, self.batch_size, split == "train", collate_fn=collate)


@final
class Generated(Conversations):
    """Made-up conversations and letters at three levels of address; no file, no download.

    Validation and test ask for acts whose pair of verb and tense training never shows.

    Shapes: a batch holds `input_ids` and `labels` (row, token) int64 with -100 where nothing is
        learned, and `attention_mask`, or of packed rows `position_ids`. Of validation and test also
        `prompt_ids` and `prompt_mask` (row, token), and `register`, the level by row.

    Units: tokens.

    Raises:
        WeightsError: the tokenizer cannot be had.

    Source: the package's lexicon and phrases; made here.

    Args:
        n_train: examples for training.
        n_val: examples for validation.
        n_test: examples for the test.
        tokenizer: that of the backbone: `tiny`, a folder, or owner/name on the hub.
        max_length: tokens of an example, and of a packed row.
        packing: put several examples in a row, in training.
        batch_size: rows a batch.
        seed: of all three splits.
    """

    def __init__(
        self,
        *,
        n_train: int = 4000,
        n_val: int = 60,
        n_test: int = 240,
        tokenizer: str = TINY,
        max_length: int = 256,
        packing: bool = True,
        batch_size: int = 8,
        seed: int = 0,
    ) -> None:
        super().__init__(
            tokenizer=tokenizer,
            max_length=max_length,
            packing=packing,
            batch_size=batch_size,
            seed=seed,
        )
        self.counts = (n_train, n_val, n_test)

    def examples(self, split: Split) -> list[Example]:
        """The examples of a split; no prompt is in two."""
        train, val, test = self.counts
        if split == "train":
            return examples(train, seed=self.seed, which="seen")
        held_out = examples(val + test, seed=self.seed, which="unseen")
        return held_out[:val] if split == "val" else held_out[val:]


@final
class Files(Conversations):
    """Your conversations, or BLADE: from a file, a folder or the hub, split by topic.

    Shapes: as `Generated`; `register` is empty where a row names none.

    Units: tokens.

    Raises:
        RecipeError: no source is given.
        ReadError: a row is no good; file, row, rule and remedy are named.
        WeightsError: the tokenizer cannot be had.

    Source: BLADE, arXiv:2605.22487: 4,196 rows in 3,356, 420 and 420; the split by topic is ours.

    Args:
        source: a file (.jsonl, .json, .csv, .tsv, .parquet), a folder of them, a data set on the
            hub such as shuvo-xyz/BLADE, or `sample`: 160 made-up rows.
        layout: messages (OpenAI), sharegpt, alpaca, or pairs of prompt and completion.
        columns: of pairs: the column by part (prompt, completion, topic, register, system), where
            its name does not tell.
        bad_rows: refuse the file at its first bad row, or skip such rows with a warning.
        val_share: of the examples, for validation.
        test_share: of the examples, for the test.
        tokenizer: that of the backbone: `tiny`, a folder, or owner/name on the hub.
        max_length: tokens of an example, and of a packed row.
        packing: put several examples in a row, in training.
        batch_size: rows a batch.
        seed: of the split.
    """

    def __init__(
        self,
        *,
        source: str | Path | None = None,
        layout: Layout = "auto",
        columns: dict[str, str] | None = None,
        bad_rows: BadRows = "refuse",
        val_share: float = 0.1,
        test_share: float = 0.1,
        tokenizer: str = TINY,
        max_length: int = 2048,
        packing: bool = True,
        batch_size: int = 2,
        seed: int = 0,
    ) -> None:
        super().__init__(
            tokenizer=tokenizer,
            max_length=max_length,
            packing=packing,
            batch_size=batch_size,
            seed=seed,
        )
        if val_share <= 0 or test_share <= 0 or val_share + test_share >= 1:
            rule = "each share is above 0, and both together are below 1"
            raise RecipeError(f"shares {val_share}, {test_share}", rule, "Such as 0.1 and 0.1")
        self.source, self.layout, self.columns = source, layout, columns
        self.bad_rows, self.shares = bad_rows, (val_share, test_share)

    def examples(self, split: Split) -> list[Example]:
        """The examples of a split; no topic is in two."""
        val, test = self.shares
        topics = [str(example.topic) for example in self._read]
        numbers = split_by_topic(topics, val=val, test=test, seed=self.seed)[split]
        return [self._read[number] for number in numbers]

    @cached_property
    def _read(self) -> list[Example]:
        if self.source is None:
            rule = "a file, a folder, or a data set such as shuvo-xyz/BLADE"
            raise RecipeError("data.source null", rule, "Give it, or use data bangla/generated")
        if self.source == SAMPLE:
            return examples(160, seed=0, which="all")
        return read_examples(
            self.source, layout=self.layout, columns=self.columns, bad_rows=self.bad_rows
        )


def _warn_of_fertility(found: list[Example], coded: list[Encoded], window: int) -> None:
    words = sum(sum(words_of_text(example.completion).values()) for example in found)
    tokens = sum(len(code.completion) - 1 for code in coded)
    if words and tokens / words > WARN:
        told = f"the tokenizer makes {tokens / words:.1f} tokens of a word, above {WARN:g}"
        fit = f"a row of {window} tokens holds {round(window * words / tokens)} words"
        warnings.warn(f"{told}: {fit}", stacklevel=4)


@final
class _Rows(Dataset[Row]):
    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Row:
        return self.rows[index]
