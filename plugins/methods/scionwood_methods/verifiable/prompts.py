"""Digits to be put in order: prompts whose answers code can verify."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, final

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import Dataset

from scionwood import DataLoader, RecipeError, WeightsError
from scionwood_methods.verifiable.tiny import END, encode

Order = Literal["ascending", "descending", "copy"]
ORDERS: tuple[Order, ...] = ("ascending", "descending", "copy")
SPLITS = ("train", "val", "test")


def answer(digits: str, order: Order) -> str:
    """What is asked for: the digits in an order.

    Args:
        digits: of the prompt.
        order: ascending, descending, or as they stand.
    """
    if order == "copy":
        return digits
    return "".join(sorted(digits, reverse=order == "descending"))


def strings(length: int, *, pretraining: bool) -> list[str]:
    """Half of all strings of so many digits, in random order; the two halves share none.

    Args:
        length: of a string.
        pretraining: the half that the tiny base has seen, or the other.
    """
    order = torch.randperm(10**length, generator=torch.Generator().manual_seed(length)).tolist()
    half = len(order) // 2
    codes = order[:half] if pretraining else order[half:]
    return [f"{code:0{length}}" for code in codes]


@final
class DigitStrings(L.LightningDataModule):
    """Prompts such as `31425=`, and the answers that count as right, such as `12345`.

    The model is not told the order: rewards teach it. No string is in two splits, and none of
    them was in the pretraining of the tiny base.

    Shapes: a batch holds `prompt` (batch, length + 1) and `answer` (batch, length + 1) int64: the
        answer ends with the token that ends a text. With another tokenizer lengths are its own.

    Units: none; tokens.

    Raises:
        RecipeError: there are too few strings of this length, or a tokenizer makes prompts or
            answers of several lengths.
        WeightsError: the tokenizer cannot be had.

    Source: made here.

    Args:
        order: of the digits in a right answer.
        length: digits of a prompt, 2 to 6.
        tokenizer: `characters`, those of the tiny pair; or one of transformers, as a local folder
            or a repository's name.
        batch_size: prompts a batch.
        n_train: prompts for training.
        n_val: prompts for validation.
        n_test: prompts for the test.
        seed: of the choice of prompts.
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
            raise RecipeError(f"length: {length}", "2 to 6 digits", "Change it")
        self.order, self.tokenizer, self.batch_size = order, tokenizer, batch_size
        pool = strings(length, pretraining=False)
        counts = (n_train, n_val, n_test)
        if sum(counts) > len(pool):
            rule = f"there are {len(pool)} strings of {length} digits"
            raise RecipeError(f"{sum(counts)} prompts", rule, "Ask for fewer, or longer ones")
        picks = torch.randperm(len(pool), generator=torch.Generator().manual_seed(seed)).tolist()
        starts = (0, n_train, n_train + n_val)
        self._strings = {
            split: [pool[pick] for pick in picks[start : start + count]]
            for split, start, count in zip(SPLITS, starts, counts, strict=True)
        }

    def train_dataloader(self) -> DataLoader:
        """Batches of the training split, in another order each epoch."""
        return DataLoader(self._pairs("train"), self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        """Batches of the validation split."""
        return DataLoader(self._pairs("val"), self.batch_size)

    def test_dataloader(self) -> DataLoader:
        """Batches of the test split."""
        return DataLoader(self._pairs("test"), self.batch_size)

    def _pairs(self, split: str) -> Dataset[dict[str, Tensor]]:
        found = self._strings[split]
        prompts = [f"{digits}=" for digits in found]
        answers = [answer(digits, self.order) for digits in found]
        if self.tokenizer == "characters":
            return _Pairs([encode(text) for text in prompts], [encode(a) for a in answers], END)
        own = _tokenizer(self.tokenizer)
        asked, right = (
            own(texts, add_special_tokens=False)["input_ids"] for texts in (prompts, answers)
        )
        return _Pairs(asked, right, int(own.eos_token_id))


@final
class _Pairs(Dataset[dict[str, Tensor]]):
    def __init__(self, prompts: list[list[int]], answers: list[list[int]], end: int) -> None:
        for kind, rows in (("prompts", prompts), ("answers", answers)):
            lengths = sorted({len(row) for row in rows})
            if len(lengths) > 1:
                rule = "all need one length, since there is no padding"
                remedy = "Take a tokenizer with a token for each digit"
                raise RecipeError(f"{kind} of {lengths} tokens", rule, remedy)
        self.prompts = torch.tensor(prompts)
        self.answers = torch.tensor([[*row, end] for row in answers])

    def __len__(self) -> int:
        return len(self.prompts)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"prompt": self.prompts[index], "answer": self.answers[index]}


def _tokenizer(name: str) -> Any:
    from transformers import AutoTokenizer

    try:
        found = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    except (OSError, ValueError) as error:
        rule = f"transformers cannot load it ({str(error).splitlines()[0]})"
        remedy = "Name a local folder, owner/name on the Hub, or `characters`"
        raise WeightsError(f"tokenizer {Path(name).name!r}", rule, remedy) from error
    if found.eos_token_id is None:
        rule = "it has no token that ends a text"
        raise WeightsError(f"tokenizer {Path(name).name!r}", rule, "Set its eos_token")
    return found
