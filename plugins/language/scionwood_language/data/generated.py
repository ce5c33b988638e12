"""Conversations that code makes, and judges: plans of commands, reviews of code, mixed tasks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, final

from scionwood import RecipeError
from scionwood.authoring import Split
from scionwood_language.chat.templates import Message
from scionwood_language.data.conversation_data import ConversationData, Item
from scionwood_language.model.tiny import TINY


class Talks(ConversationData):
    """Requests with answers in three splits, which a subclass makes and judges.

    Args:
        n_train: the number of training examples.
        n_val: the number of validation examples.
        n_test: the number of test examples.
        seed: the seed of all three splits.

    Raises:
        RecipeError: a size is not positive.
    """

    def __init__(
        self,
        *,
        n_train: int = 1200,
        n_val: int = 36,
        n_test: int = 120,
        tokenizer: str = TINY,
        max_length: int = 512,
        packing: bool = True,
        batch_size: int = 4,
        seed: int = 0,
    ) -> None:
        super().__init__(tokenizer, max_length, packing, "last", batch_size, seed)
        self.sizes = (n_train, n_val, n_test)
        if min(*self.sizes, batch_size) < 1:
            value = f"n_train, n_val, n_test = {self.sizes}, batch_size = {batch_size}"
            raise RecipeError(value, "each must be at least 1", "Give positive numbers")

    @abstractmethod
    def pairs(self, split: Split) -> list[tuple[str, str, dict[str, str]]]:
        """Return request, answer, and what the judge needs, for each example of a split."""

    def items(self, split: Split) -> list[Item]:
        """Return the conversations of a split as plain data; see `ConversationData.items`."""
        return [(turns(request, answer), more) for request, answer, more in self.pairs(split)]

    def random(self, split: Split) -> tuple[Random, int]:
        """Return the generator of a split, and its number of examples."""
        at = ("train", "val", "test").index(split)
        return Random(f"{self.seed} {split}"), self.sizes[at]


def turns(request: str, answer: str) -> list[Message]:
    """Return a request and its answer as a conversation."""
    return [{"role": "user", "content": request}, {"role": "assistant", "content": answer}]


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
        super().__init__(
            n_train=n_train,
            n_val=n_val,
            n_test=n_test,
            tokenizer=tokenizer,
            max_length=max_length,
            packing=packing,
            batch_size=batch_size,
            seed=seed,
        )
        self.tasks = [*_TASKS] if tasks is None else tasks
        if unknown := sorted(set(self.tasks) - _TASKS.keys()):
            rule = f"the tasks are {', '.join(_TASKS)}"
            raise RecipeError(f"tasks: {unknown[0]!r}", rule, "Name one of them")

    def pairs(self, split: Split) -> list[tuple[str, str, dict[str, str]]]:
        """Return the examples of a split; the numbers of a split end in digits of their own."""
        random, count = self.random(split)
        endings = {"train": "0123456", "val": "7", "test": "89"}[split]
        requests: set[str] = set()
        examples = []
        while len(requests) < count:
            task = self.tasks[len(requests) % len(self.tasks)]
            number = f"{random.randrange(100_000):05d}{random.choice(endings)}"
            request = f"{_TASKS[task]} {number}"
            if request not in requests:
                requests.add(request)
                answer = _answered(task, number)
                examples.append((request, answer, {"task": task, "answer": answer}))
        return examples

    def judge(self, answers: Sequence[str], batch: Mapping[str, Any]) -> dict[str, float]:
        """Return the share of exact answers of each task in a batch."""
        right: dict[str, list[bool]] = {}
        for text, task, answer in zip(answers, batch["task"], batch["answer"], strict=True):
            right.setdefault(task, []).append(text.strip() == answer)
        return {f"exact_{task}": sum(flags) / len(flags) for task, flags in sorted(right.items())}


_TASKS = {
    "next": "Which number comes after",
    "largest": "Which is the largest digit of",
    "reverse": "Write these digits from right to left:",
}


def solve(request: str) -> str | None:
    """Return the answer to a request of `MixedTasks`, or `None` if it is no such request."""
    for task, wording in _TASKS.items():
        number = request.removeprefix(wording).strip().rstrip("?.")
        if request.startswith(wording) and number.isascii() and number.isdigit():
            return _answered(task, number)
    return None


def _answered(task: str, number: str) -> str:
    if task == "next":
        return str(int(number) + 1)
    return max(number) if task == "largest" else number[::-1]
