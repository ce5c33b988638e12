"""The conversations of the package as a data component for fine-tuning, in batches."""

from __future__ import annotations

import json
import lzma
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any, Literal, final

from bangla_checker import LEVELS, is_right
from scionwood import RecipeError
from scionwood.authoring import Split
from scionwood_bangla.model.weights import TINY, place_of, plain
from scionwood_bangla.text.examples import Example, Message
from scionwood_language import ConversationData, Turns

Item = tuple[Sequence[Mapping[str, str]], Mapping[str, str]]
"""A conversation as plain data, and the level of its answer."""

Part = Literal["train", "unseen"]


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
class Generated(ConversationData):
    """The conversations of the package, at three levels of address, without any file.

    Validation and test use pairs of verb and tense that training never shows.

    Shapes: a batch has `input_ids` and `labels`, each (row, token) int64. Tokens that are not
        learned have the label -100. Rows of one example have `attention_mask`, packed rows have
        `position_ids`, each (row, token). Batches of validation and test also have `turns`,
        those before each answer, and `register`, the level of each row.

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

    def items(self, split: Split) -> list[Item]:
        """Return the conversations of a split as plain data, each with its level.

        Args:
            split: `train`, `val` or `test`.
        """
        return [
            (plain(example.messages), {"register": ",".join(example.register or ())})
            for example in self.examples(split)
        ]

    def judge(self, answers: Sequence[str], batch: Mapping[str, Any]) -> dict[str, float]:
        """Return the share of answers at the level of their row, as the checker judges them.

        Args:
            answers: the answers to a batch.
            batch: its `register` has the level of each row.
        """
        pairs = zip(answers, batch["register"], strict=True)
        return {
            "register_match": sum(is_right(a, frozenset([lv])) for a, lv in pairs) / len(answers)
        }

    def _draw(self, count: int, part: Part) -> list[Example]:
        chosen_levels = frozenset(LEVELS) if self.levels is None else self.levels
        rows = [row for row in shipped(part) if row.register and row.register <= chosen_levels]
        if self.seed:
            Random(self.seed).shuffle(rows)
        if count > len(rows):
            rule = f"the package has {len(rows):,} such conversations"
            raise RecipeError(f"{count:,} examples", rule, "Ask for fewer, or name a file of yours")
        return rows[:count]
