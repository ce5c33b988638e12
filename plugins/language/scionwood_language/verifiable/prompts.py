"""Prompts with digits that are to be put in order; code can verify the answers."""

from __future__ import annotations

from typing import Any, Literal, final

import torch
from torch import Tensor

from scionwood import RecipeError, SplitData
from scionwood.authoring import DataLoader, Split
from scionwood_language.chat.templates import end_of_text
from scionwood_language.model.weights import load_tokenizer
from scionwood_language.verifiable.tiny import END, encode

Order = Literal["ascending", "descending", "copy"]
ORDERS: tuple[Order, ...] = ("ascending", "descending", "copy")


def answer(digits: str, order: Order) -> str:
    """Return the right answer: the digits in an order; `copy` is that of the prompt."""
    return digits if order == "copy" else "".join(sorted(digits, reverse=order == "descending"))


def strings(length: int, *, pretraining: bool) -> list[str]:
    """Return half of all strings of a length in random order; the two halves are disjoint."""
    order = torch.randperm(10**length, generator=torch.Generator().manual_seed(length)).tolist()
    half = len(order) // 2
    return [f"{code:0{length}}" for code in (order[:half] if pretraining else order[half:])]


@final
class DigitStrings(SplitData):
    """Prompts such as `31425=` with their right answers, such as `12345`.

    The prompt does not tell the order; the rewards teach it. No string is in two splits, and none
    was used in the pretraining of the tiny base.

    Shapes: a batch holds `prompt` (batch, length + 1) and `answer` (batch, length + 1) int64; the
        answer ends with the token that ends a text. Another tokenizer may give other lengths.

    Units: none; tokens.

    Raises:
        RecipeError: there are too few strings of this length, or a tokenizer makes prompts or
            answers of different lengths.
        WeightsError: the tokenizer cannot be loaded.

    Source: made by this package.

    Args:
        order: the order of the digits in a right answer.
        length: the number of digits of a prompt, 2 to 6.
        tokenizer: `characters` for that of the tiny pair, or one of transformers as a local folder
            or the name of a repository.
        batch_size: prompts in a batch.
        n_train: prompts for training.
        n_val: prompts for validation.
        n_test: prompts for the test.
        seed: the seed of the choice of prompts.
    """

    def __init__(
        self,
        *,
        order: Order = "ascending",
        length: int = 5,
        tokenizer: str = "characters",
        batch_size: int = 16,
        n_train: int = 2048,
        n_val: int = 128,
        n_test: int = 512,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not 2 <= length <= 6:
            rule = "a prompt must have 2 to 6 digits"
            raise RecipeError(f"length: {length}", rule, "Change the length")
        self.order, self.tokenizer, self.batch_size = order, tokenizer, batch_size
        pool, count = strings(length, pretraining=False), n_train + n_val + n_test
        if count > len(pool):
            rule = f"there are only {len(pool)} strings of {length} digits"
            raise RecipeError(f"{count} prompts", rule, "Use fewer prompts, or longer ones")
        order_of = torch.randperm(len(pool), generator=torch.Generator().manual_seed(seed))
        chosen = [pool[pick] for pick in order_of.tolist()]
        self._strings = {
            "train": chosen[:n_train],
            "val": chosen[n_train : n_train + n_val],
            "test": chosen[n_train + n_val : count],
        }

    def loader(self, split: Split) -> DataLoader:
        """Return the batches of a split; see `SplitData.loader`."""
        prompts = [f"{digits}=" for digits in self._strings[split]]
        answers = [answer(digits, self.order) for digits in self._strings[split]]
        if self.tokenizer == "characters":
            rows = _rows([encode(text) for text in prompts], [encode(a) for a in answers], END)
        else:
            tokenizer = load_tokenizer(self.tokenizer)
            prompt_ids, right = (
                tokenizer(texts, add_special_tokens=False)["input_ids"]
                for texts in (prompts, answers)
            )
            rows = _rows(prompt_ids, right, end_of_text(tokenizer))
        return DataLoader(rows, self.batch_size, shuffle=split == "train")


def _rows(prompts: list[list[int]], answers: list[list[int]], end: int) -> Any:
    for kind, rows in (("prompts", prompts), ("answers", answers)):
        if len(lengths := sorted({len(row) for row in rows})) > 1:
            rule = "all must have one length, because there is no padding"
            remedy = "Use a tokenizer with one token for each digit"
            raise RecipeError(f"{kind} of {lengths} tokens", rule, remedy)
    pairs = zip(torch.tensor(prompts), torch.tensor([[*row, end] for row in answers]), strict=True)
    made: list[dict[str, Tensor]] = [{"prompt": asked, "answer": right} for asked, right in pairs]
    return made
