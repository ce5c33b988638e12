"""The base of data components of conversations: their rows and batches."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from scionwood import RecipeError, SplitData
from scionwood.authoring import DataLoader, Split
from scionwood_language.chat.templates import Encoded, Message, Turns, check_template, encode
from scionwood_language.data.packing import Collate, Row, join, pack, row_of
from scionwood_language.model.tiny import TINY
from scionwood_language.model.weights import load_tokenizer

TRUNCATED = 0.01
"""The share of truncated examples above which there is a warning."""

Item = tuple[Sequence[Message], Mapping[str, str]]
"""A conversation: its turns, and texts that its judge needs, such as the right answer."""


class ConversationData(SplitData):
    """Conversations in three splits, in batches of `language/sft`. A subclass makes `items`.

    Args:
        tokenizer: the tokenizer of the backbone: the same name as `backbone.model`.
        max_length: the maximum number of tokens of an example, and of a packed row.
        packing: whether to put several training examples into one row.
        turns: learn the last turn of the assistant in each example, or all of them.
        batch_size: the number of rows in a batch.
        seed: the seed of all random choices.

    Raises:
        RecipeError: `max_length` is below 2.

    Example:
        >>> from scionwood_language import ConversationData
        >>> class Sums(ConversationData):
        ...     def items(self, split):
        ...         turns = [{"role": "user", "content": "1 + 1?"}]
        ...         return [([*turns, {"role": "assistant", "content": "2."}], {})]
        >>> len(Sums().rows("test"))
        1
    """

    def __init__(
        self,
        tokenizer: str = TINY,
        max_length: int = 256,
        packing: bool = True,
        turns: Turns = "last",
        batch_size: int = 8,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if max_length < 2:
            rule = "an example has at least 2 tokens"
            raise RecipeError(f"max_length {max_length}", rule, "Give the model's context length")
        self.tokenizer_name, self.max_length, self.packing = tokenizer, max_length, packing
        self.turns, self.batch_size, self.seed = turns, batch_size, seed

    @abstractmethod
    def items(self, split: Split) -> list[Item]:
        """Return the conversations of a split, each with texts that its judge needs.

        Args:
            split: `train`, `val` or `test`.
        """

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer, of transformers; its template must be able to mark the answers."""
        tokenizer = load_tokenizer(self.tokenizer_name)
        check_template(tokenizer)
        return tokenizer

    def loader(self, split: Split) -> DataLoader:
        """Return batches of a split. Training batches have a new order each epoch.

        In validation and test, a row has one example, and the turns before its answer.
        """
        rows: Any = self.rows(split)
        collate = Collate(self.tokenizer.pad_token_id)
        return DataLoader(rows, self.batch_size, split == "train", collate_fn=collate)

    def rows(self, split: Split) -> list[Row]:
        """Return the rows of a split, see `Collate`. Training rows are packed if `packing` is set.

        Args:
            split: `train`, `val` or `test`.

        Raises:
            RecipeError: the split has no example, or no answer fits beside its prompt.
        """
        packs = split == "train" and self.packing
        encoded = self._encoded(split)
        if not packs:
            talks = [(code, {**more, "turns": list(turns[:-1])}) for (turns, more), code in encoded]
            return [row_of(code, more) for code, more in talks]
        rows = [row_of(code) for _, code in encoded]
        groups = pack([len(row["input_ids"]) for row in rows], self.max_length)
        return [join([rows[number] for number in group]) for group in groups]

    def _encoded(self, split: Split) -> list[tuple[Item, Encoded]]:
        # A truncated answer has no end token to learn. An example without room for an answer goes.
        items = self.items(split)
        codes = [encode(self.tokenizer, messages, turns=self.turns) for messages, _ in items]
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
