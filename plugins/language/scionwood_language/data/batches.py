"""Rows and batches of conversations, encoded by the tokenizer of a backbone."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

from torch import Tensor
from torch.utils.data import Dataset

from scionwood import RecipeError
from scionwood.authoring import DataLoader, Split
from scionwood_language.chat.templates import (
    Encoded,
    Message,
    Turns,
    check_template,
    encode,
)
from scionwood_language.data.packing import Collate, Row, join, pack, row_of

TRUNCATED = 0.01
"""The share of truncated examples above which there is a warning."""

Item = tuple[Sequence[Message], Mapping[str, str]]
"""A conversation: its turns, and texts that its judge needs, such as the right answer."""


@dataclass(frozen=True)
class Batches:
    """Makes the batches of `language/sft` of conversations. A model learns their answers.

    Args:
        tokenizer: the tokenizer of the backbone.
        max_length: the maximum number of tokens of an example, and of a packed row.
        packing: whether to put several training examples into one row.
        turns: learn the last turn of the assistant in each example, or all of them.
        batch_size: the number of rows in a batch.

    Raises:
        RecipeError: `max_length` is below 2.
        WeightsError: the template of the tokenizer cannot mark the answers.
    """

    tokenizer: Any
    max_length: int = 256
    packing: bool = True
    turns: Turns = "last"
    batch_size: int = 8

    def __post_init__(self) -> None:
        check_length(self.max_length)
        check_template(self.tokenizer)

    def loader(self, items: Sequence[Item], split: Split) -> DataLoader:
        """Return batches of a split. Training batches have a new order each epoch.

        Without packing, and in validation and test, a row has one example, its prompt for
        generation, and the turns before the answer.

        Args:
            items: the conversations of the split.
            split: `train`, `val` or `test`.
        """
        collate = Collate(self.tokenizer.pad_token_id)
        dataset = _Rows(self.rows(items, split))
        return DataLoader(dataset, self.batch_size, split == "train", collate_fn=collate)

    def rows(self, items: Sequence[Item], split: Split) -> list[Row]:
        """Return the rows of a split, see `Collate`. Training rows are packed if `packing` is set.

        Args:
            items: the conversations of the split.
            split: `train`, `val` or `test`.

        Raises:
            RecipeError: the split has no example, or no answer fits beside its prompt.
        """
        codes = [encode(self.tokenizer, messages, turns=self.turns) for messages, _ in items]
        pairs = self._truncate(items, codes, split)
        packs = split == "train" and self.packing
        rows = [
            row_of(code, {**more, "turns": list(turns[:-1])}, prompt=not packs)
            for (turns, more), code in pairs
        ]
        if not packs:
            return rows
        groups = pack([len(row["input_ids"]) for row in rows], self.max_length)
        return [join([rows[number] for number in group]) for group in groups]

    def _truncate(
        self, items: Sequence[Item], codes: list[Encoded], split: str
    ) -> list[tuple[Item, Encoded]]:
        # A truncated answer has no end token to learn. An example without room for an answer goes.
        long = sum(len(code.input_ids) > self.max_length for code in codes)
        if long > TRUNCATED * len(codes):
            count = f"{long} of {len(codes)} examples of {split} are longer than {self.max_length}"
            warnings.warn(f"{count} tokens and were truncated; raise data.max_length", stacklevel=4)
        pairs = []
        for item, code in zip(items, codes, strict=True):
            if (room := self.max_length - len(code.prompt)) > 0:
                pairs.append((item, replace(code, completion=code.completion[:room])))
        if not pairs:
            rule = "it has no example, or no answer fits into data.max_length beside its prompt"
            raise RecipeError(f"{split} split", rule, "Give more data, or raise data.max_length")
        return pairs


def check_length(max_length: int) -> None:
    """Refuse rows that are too short for any example.

    Args:
        max_length: the maximum number of tokens of a row.

    Raises:
        RecipeError: it is below 2.
    """
    if max_length < 2:
        rule = "an example has at least 2 tokens"
        raise RecipeError(f"max_length {max_length}", rule, "Give the model's context length")


def collate_pairs(
    tokenizer: Any, pairs: Sequence[tuple[Sequence[Message], str, str]], max_length: int
) -> dict[str, Tensor]:
    """Return a batch of `language/dpo`: the chosen answers, then the rejected ones.

    Args:
        tokenizer: the tokenizer of the backbone.
        pairs: the turns before the answer, the better answer, and the worse one.
        max_length: the maximum number of tokens of prompt and answer.

    Returns:
        `input_ids`, `labels` and `attention_mask`, each (2 x pair, token) int64, padded on the
        right.

    Raises:
        RecipeError: a pair is longer than `max_length`.
    """
    answers = [(prompt, chosen) for prompt, chosen, _ in pairs]
    answers += [(prompt, rejected) for prompt, _, rejected in pairs]
    return collate_answers(tokenizer, answers, max_length)


def collate_answers(
    tokenizer: Any, answers: Sequence[tuple[Sequence[Message], str]], max_length: int
) -> dict[str, Tensor]:
    """Return requests with their answers as a batch, padded on the right.

    Args:
        tokenizer: the tokenizer of the backbone.
        answers: the turns before each answer, and the answer.
        max_length: the maximum number of tokens of prompt and answer.

    Returns:
        `input_ids`, `labels` and `attention_mask`, each (answer, token) int64.

    Raises:
        RecipeError: one is longer than `max_length`.
    """
    codes = [_encoded(tokenizer, *answer, max_length) for answer in answers]
    rows = [row_of(code, {}, prompt=False) for code in codes]
    return Collate(tokenizer.pad_token_id)(rows)


def _encoded(tokenizer: Any, prompt: Sequence[Message], answer: str, longest: int) -> Encoded:
    code = encode(tokenizer, [*prompt, {"role": "assistant", "content": answer}])
    if (length := len(code.input_ids)) > longest:
        rule = f"data.max_length is {longest}, and a truncated answer has no end token"
        raise RecipeError(f"a pair of {length} tokens", rule, "Raise data.max_length")
    return code


@final
class _Rows(Dataset[Row]):
    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Row:
        return self.rows[index]
