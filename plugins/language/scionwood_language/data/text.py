"""Plain texts in windows of tokens."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from scionwood import RecipeError, SplitData
from scionwood.authoring import DataLoader, Split, call_in_child, read_utf8
from scionwood_language.model.tiny import TINY
from scionwood_language.model.weights import load_tokenizer

SAMPLE = "sample"
SPLITS = ("train", "val", "test")


@final
class Text(SplitData):
    """Windows of a text file, without overlap: the first part trains, the last two are held out.

    Shapes: a batch has `input_ids` (batch, token) int64, without padding.

    Units: tokens.

    Raises:
        RecipeError: a size is not positive, or the text has fewer than three windows.
        ReadError: the file does not exist or is not UTF-8.
        WeightsError: the tokenizer cannot be loaded.

    Source: your file; the sample is counted out here.

    Args:
        source: a text file, UTF-8, or `sample` for sentences about numbers.
        tokenizer: the tokenizer of the backbone: the same name as `backbone.model`.
        window: the tokens of a row.
        val_share: the share of the windows for validation.
        test_share: the share of the windows for the test.
        batch_size: the rows in a batch.
    """

    def __init__(
        self,
        *,
        source: str | Path = SAMPLE,
        tokenizer: str = TINY,
        window: int = 64,
        val_share: float = 0.1,
        test_share: float = 0.1,
        batch_size: int = 16,
    ) -> None:
        super().__init__()
        if min(window, batch_size) < 1 or min(val_share, test_share) <= 0:
            value = f"window={window}, batch_size={batch_size}, shares {val_share}, {test_share}"
            raise RecipeError(value, "each must be above 0", "Such as 64, 16, 0.1 and 0.1")
        self.source, self.tokenizer_name, self.window = source, tokenizer, window
        self.shares, self.batch_size = (val_share, test_share), batch_size

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer, of transformers."""
        return load_tokenizer(self.tokenizer_name)

    @cached_property
    def windows(self) -> dict[str, Tensor]:
        """The windows of each split, (window, token) int64."""
        text = _sample() if self.source == SAMPLE else call_in_child(read_utf8, Path(self.source))
        ids = self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        count = len(ids) // self.window
        eval_counts = [max(1, round(share * count)) for share in self.shares]
        if count - sum(eval_counts) < 1:
            rule = f"three splits need more than {sum(eval_counts)} windows of {self.window} tokens"
            raise RecipeError(f"{self.source}: {count} windows", rule, "Give a longer text")
        rows = torch.tensor(ids[: count * self.window]).view(count, self.window)
        parts = torch.split(rows, [count - sum(eval_counts), *eval_counts])
        return dict(zip(SPLITS, parts, strict=True))

    def loader(self, split: Split) -> DataLoader:
        """Return the batches of a split; see `SplitData.loader`."""
        rows: Any = [{"input_ids": row} for row in self.windows[split]]
        return DataLoader(rows, self.batch_size, split == "train")


_DIGITS = "zero one two three four five six seven eight nine"


def _sample(n: int = 400) -> str:
    spellings = (
        " ".join(_DIGITS.split()[int(digit)] for digit in str(number)) for number in range(n)
    )
    return " ".join(f"{number} is {text}." for number, text in enumerate(spellings))
