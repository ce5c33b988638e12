"""The base of data components of conversations: their rows and batches."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import Any

from scionwood import SplitData
from scionwood.authoring import DataLoader, Split
from scionwood_language.chat.templates import Turns
from scionwood_language.data.batches import Batches, Item, check_length
from scionwood_language.data.packing import Row
from scionwood_language.model.tiny import TINY
from scionwood_language.model.weights import load_tokenizer


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
        check_length(max_length)
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
        """The tokenizer, of transformers."""
        return load_tokenizer(self.tokenizer_name)

    @property
    def batches(self) -> Batches:
        """What makes rows and batches of conversations."""
        return Batches(self.tokenizer, self.max_length, self.packing, self.turns, self.batch_size)

    def loader(self, split: Split) -> DataLoader:
        """Return batches of a split. Training batches have a new order each epoch.

        In validation and test, a row has one example, and its prompt for generation.
        """
        return self.batches.loader(self.items(split), split)

    def rows(self, split: Split) -> list[Row]:
        """Return the rows of a split. Training rows are packed if `packing` is set.

        Args:
            split: `train`, `val` or `test`.

        Raises:
            RecipeError: the split has no example, or no answer fits beside its prompt.
        """
        return self.batches.rows(self.items(split), split)
