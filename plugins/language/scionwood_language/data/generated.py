"""Conversations that code makes, and judges: plans of commands, reviews of code, mixed tasks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from random import Random
from typing import Any, final

from scionwood import RecipeError, SplitData
from scionwood.authoring import DataLoader, Split
from scionwood_language.chat.templates import Message
from scionwood_language.data.batches import Batches, Item, check_length
from scionwood_language.model.tiny import TINY
from scionwood_language.model.weights import load_tokenizer


class Talks(SplitData):
    """Requests with answers in three splits, which a subclass makes and judges.

    Args:
        tokenizer: the tokenizer of the backbone: the same name as `backbone.model`.
        max_length: the maximum number of tokens of an example, and of a packed row.
        packing: whether to put several training examples into one row.
        batch_size: the number of rows in a batch.
        sizes: the numbers of examples for training, validation and test.
        seed: the seed of all three splits.

    Raises:
        RecipeError: a size is not positive.
    """

    def __init__(
        self,
        tokenizer: str = TINY,
        max_length: int = 512,
        packing: bool = True,
        batch_size: int = 4,
        sizes: tuple[int, int, int] = (400, 40, 80),
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_length(max_length)
        if min(*sizes, batch_size) < 1:
            value = f"n_train, n_val, n_test = {sizes}, batch_size = {batch_size}"
            raise RecipeError(value, "each must be at least 1", "Give positive numbers")
        self.tokenizer_name, self.max_length, self.packing = tokenizer, max_length, packing
        self.batch_size, self.sizes, self.seed = batch_size, sizes, seed

    @abstractmethod
    def pairs(self, split: Split) -> list[tuple[str, str, dict[str, str]]]:
        """Return request, answer, and what the judge needs, for each example of a split."""

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer, of transformers."""
        return load_tokenizer(self.tokenizer_name)

    def items(self, split: Split) -> list[Item]:
        """Return the conversations of a split as plain data.

        Args:
            split: `train`, `val` or `test`.
        """
        return [(turns(asked, told), more) for asked, told, more in self.pairs(split)]

    def loader(self, split: Split) -> DataLoader:
        """Return the batches of a split; see `SplitData.loader`."""
        batches = Batches(self.tokenizer, self.max_length, self.packing, "last", self.batch_size)
        return batches.loader(self.items(split), split)

    def drawn(self, split: Split) -> tuple[Random, int]:
        """Return the generator of a split, and its number of examples.

        Args:
            split: `train`, `val` or `test`.
        """
        at = ("train", "val", "test").index(split)
        return Random(f"{self.seed} {split}"), self.sizes[at]


def turns(asked: str, told: str) -> list[Message]:
    """Return a request and its answer as a conversation.

    Args:
        asked: the request.
        told: the answer.
    """
    return [{"role": "user", "content": asked}, {"role": "assistant", "content": told}]


@final
class MixedTasks(Talks):
    """Three small tasks on digits in one data set: next number, largest digit, reversed digits.

    No request is in two splits. The judge tells the share of exact answers of each task.

    Shapes: as for `language/conversations`; `task` and `answer` are texts of each row.

    Units: tokens.

    Source: made by this package.

    Args:
        tasks: the tasks, of next, largest and reverse. One alone is the case of one adapter for
            each task.
        n_train: the number of training examples.
        n_val: the number of validation examples.
        n_test: the number of test examples.
        tokenizer: the tokenizer of the backbone: the same name as `backbone.model`.
        max_length: the maximum number of tokens of an example, and of a packed row.
        packing: whether to put several training examples into one row.
        batch_size: the number of rows in a batch.
        seed: the seed of all three splits.

    Raises:
        RecipeError: a size is not positive, or a task is unknown.
    """

    def __init__(
        self,
        *,
        tasks: list[str] | None = None,
        n_train: int = 900,
        n_val: int = 30,
        n_test: int = 90,
        tokenizer: str = TINY,
        max_length: int = 256,
        packing: bool = True,
        batch_size: int = 8,
        seed: int = 0,
    ) -> None:
        sizes = (n_train, n_val, n_test)
        super().__init__(tokenizer, max_length, packing, batch_size, sizes, seed)
        self.tasks = [*_TASKS] if tasks is None else tasks
        if unknown := sorted(set(self.tasks) - _TASKS.keys()):
            rule = f"the tasks are {', '.join(_TASKS)}"
            raise RecipeError(f"tasks: {unknown[0]!r}", rule, "Name one of them")

    def pairs(self, split: Split) -> list[tuple[str, str, dict[str, str]]]:
        """Return the examples of a split; the numbers of a split end in digits of their own."""
        random, count = self.drawn(split)
        endings = {"train": "0123456", "val": "7", "test": "89"}[split]
        seen: set[str] = set()
        made = []
        while len(seen) < count:
            task = self.tasks[len(seen) % len(self.tasks)]
            number = f"{random.randrange(100_000):05d}{random.choice(endings)}"
            asked = f"{_TASKS[task]} {number}"
            if asked not in seen:
                seen.add(asked)
                told = _answered(task, number)
                made.append((asked, told, {"task": task, "answer": told}))
        return made

    def judge(self, answers: Sequence[str], batch: Mapping[str, Any]) -> dict[str, float]:
        """Return the share of exact answers of each task in a batch.

        Args:
            answers: the answers.
            batch: its `task` and `answer` are texts of each row.
        """
        right: dict[str, list[bool]] = {}
        for text, task, own in zip(answers, batch["task"], batch["answer"], strict=True):
            right.setdefault(task, []).append(text.strip() == own)
        return {f"exact_{task}": sum(each) / len(each) for task, each in sorted(right.items())}


_TASKS = {
    "next": "Which number comes after",
    "largest": "Which is the largest digit of",
    "reverse": "Write these digits from right to left:",
}


def solved(asked: str) -> str | None:
    """Return the answer to a request of `MixedTasks`, or `None` if it is no such request.

    Args:
        asked: the request, with or without a question mark.
    """
    for task, wording in _TASKS.items():
        number = asked.removeprefix(wording).strip().rstrip("?.")
        if asked.startswith(wording) and number.isascii() and number.isdigit():
            return _answered(task, number)
    return None


def _answered(task: str, number: str) -> str:
    if task == "next":
        return str(int(number) + 1)
    return max(number) if task == "largest" else number[::-1]
