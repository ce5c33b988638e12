"""Data components for fine-tuning: shipped conversations, or your own from files, in batches."""

from __future__ import annotations

import json
import lzma
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import Any, ClassVar, Literal, Protocol, final

import scionwood_language
from bangla_checker import LEVELS, is_right
from scionwood import RecipeError
from scionwood.authoring import Split
from scionwood_bangla.model.weights import TINY, place_of, plain
from scionwood_bangla.readers.load import read_examples
from scionwood_bangla.text.examples import Example, Message
from scionwood_language import BadRows, ConversationData, Layout, Turns

SAMPLE = "sample"
Part = Literal["train", "unseen"]
Item = tuple[Sequence[Mapping[str, str]], Mapping[str, str]]
"""A conversation as plain data, and the accepted levels of its answer."""


class _Data(Protocol):
    def examples(self, split: Split) -> list[Example]: ...


class Answers:
    """What data components of Bangla have in common: items with their levels, and a judge."""

    def items(self: _Data, split: Split) -> list[Item]:
        """Return the conversations of a split as plain data.

        Args:
            split: `train`, `val` or `test`.
        """
        return [item_of(example) for example in self.examples(split)]

    def judge(self, answers: Sequence[str], batch: Mapping[str, Any]) -> dict[str, float]:
        """Return the share of answers at an accepted level, if each row tells its levels.

        Args:
            answers: the answers to a batch.
            batch: its `register` has the accepted levels of each row, joined by commas.
        """
        accepted = [frozenset(names.split(",")) for names in batch["register"] if names]
        if len(accepted) != len(answers):
            return {}
        matches = [is_right(text, levels) for text, levels in zip(answers, accepted, strict=True)]
        return {"register_match": sum(matches) / len(matches)}


def item_of(example: Example) -> Item:
    """Return an example as plain data, as `ConversationData` of `language` takes it.

    Args:
        example: the example. Its levels are joined by commas.
    """
    return plain(example.messages), {"register": ",".join(sorted(example.register or ()))}


@cache
def shipped(part: Part) -> tuple[Example, ...]:
    """Return the conversations of the package: letters and dialogues at three levels.

    They were generated once, from phrases and from all forms of fifty verbs.

    Args:
        part: `train`, 8,000 conversations, or `unseen`, 600 about pairs of verb and tense that
            `train` never shows.
    """
    packed = (files("scionwood_bangla.data") / "conversations.jsonl.xz").read_bytes()
    rows = map(json.loads, lzma.decompress(packed).decode().splitlines())
    return tuple(_example(row) for row in rows if row["part"] == part)


def _example(row: Mapping[str, Any]) -> Example:
    turns = tuple(Message(turn["role"], turn["content"]) for turn in row["messages"])
    return Example(turns, frozenset([row["register"]]), row["topic"])


@final
class Generated(Answers, ConversationData):
    """The conversations of the package, at three levels of address, without any file.

    Validation and test use pairs of verb and tense that training never shows.

    Shapes: a batch has `input_ids` and `labels`, each (row, token) int64. Tokens that are not
        learned have the label -100. Rows of one example have `attention_mask`, packed rows have
        `position_ids`, each (row, token). Batches of validation and test also have `prompt_ids` and
        `prompt_mask`, each (row, token), and `register`, the level of each row.

    Units: tokens.

    Raises:
        RecipeError: a level is unknown, or the package has fewer conversations.
        WeightsError: the tokenizer cannot be loaded.

    Source: the lexicon and the phrases of this project.

    Args:
        n_train: the number of training examples, at most 8,000.
        n_val: the number of validation examples.
        n_test: the number of test examples; with those of validation at most 600.
        levels: keep examples of these levels alone (tui, tumi, apni), which makes the level an
            attribute that one adapter holds. null keeps all.
        seed: 0 keeps the order of the package; another seed draws one.
    """

    def __init__(
        self,
        *,
        n_train: int = 4000,
        n_val: int = 60,
        n_test: int = 240,
        levels: list[str] | None = None,
        tokenizer: str = TINY,
        max_length: int = 256,
        packing: bool = True,
        turns: Turns = "last",
        batch_size: int = 8,
        seed: int = 0,
    ) -> None:
        super().__init__(place_of(tokenizer), max_length, packing, turns, batch_size, seed)
        self.counts = (n_train, n_val, n_test)
        self.levels = None if levels is None else frozenset(levels)
        if self.levels is not None and not (self.levels and self.levels <= set(LEVELS)):
            rule = f"levels are some of {', '.join(LEVELS)}"
            raise RecipeError(f"data.levels {levels}", rule, "Name one, or null for all")

    def examples(self, split: Split) -> list[Example]:
        """Return the examples of a split. No prompt is in two splits."""
        train, val, test = self.counts
        if split == "train":
            return self._draw(train, "train")
        unseen = self._draw(val + test, "unseen")
        return unseen[:val] if split == "val" else unseen[val:]

    def _draw(self, count: int, part: Part) -> list[Example]:
        rows = [row for row in shipped(part) if self.levels is None or row.register <= self.levels]
        if self.seed:
            Random(self.seed).shuffle(rows)
        if count > len(rows):
            rule = f"the package has {len(rows):,} such conversations"
            raise RecipeError(f"{count:,} examples", rule, "Ask for fewer, or name a file of yours")
        return rows[:count]


@final
class Files(Answers, scionwood_language.Conversations):
    """Your own conversations, or BLADE, from a file, a folder or the hub, split by topic.

    Shapes: as in `Generated`. `register` is empty for a row without a register.

    Units: tokens.

    Raises:
        RecipeError: no source is given, or a share is out of range.
        ReadError: a row is invalid. The message names the file, the row, the rule and a remedy.
        WeightsError: the tokenizer cannot be loaded.

    Source: BLADE, arXiv:2605.22487: 4,196 rows in splits of 3,356, 420 and 420. The split by topic
        is ours.

    Args:
        source: a file (.jsonl, .json, .csv, .tsv, .parquet), a folder of such files, a data set on
            the hub such as shuvo-xyz/BLADE, or `sample` for 160 rows of the package.
        columns: the columns of pairs by part (prompt, completion, topic, register, system), for
            columns that are not recognised by their names.
    """

    hub_example: ClassVar[str] = "shuvo-xyz/BLADE"

    def __init__(
        self,
        *,
        source: str | Path | None = None,
        layout: Layout = "auto",
        columns: dict[str, str] | None = None,
        bad_rows: BadRows = "refuse",
        on_bad_file: Literal["raise", "skip"] = "raise",
        val_share: float = 0.1,
        test_share: float = 0.1,
        tokenizer: str = TINY,
        max_length: int = 2048,
        packing: bool = True,
        turns: Turns = "last",
        batch_size: int = 2,
        seed: int = 0,
    ) -> None:
        super().__init__(
            source=source,
            layout=layout,
            columns=columns,
            bad_rows=bad_rows,
            on_bad_file=on_bad_file,
            val_share=val_share,
            test_share=test_share,
            tokenizer=place_of(tokenizer),
            max_length=max_length,
            packing=packing,
            turns=turns,
            batch_size=batch_size,
            seed=seed,
        )

    def read(self, source: str | Path) -> list[Example]:
        """Return the examples of a source or of one of its files, checked for Bangla."""
        return read_examples(
            source, layout=self.layout, columns=self.columns, bad_rows=self.bad_rows
        )

    def sample(self) -> list[Example]:
        """Return the 160 conversations of the source `sample`, of the package."""
        return [*shipped("train")[:128], *shipped("unseen")[:32]]
