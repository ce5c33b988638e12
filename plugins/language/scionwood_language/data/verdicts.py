"""Answers that somebody called good or bad, in batches of `language/trl` with `method: kto`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from scionwood import ReadError
from scionwood.authoring import call_in_child
from scionwood_language.data.batches import collate_answers
from scionwood_language.data.generated import turns
from scionwood_language.data.preferences import SAMPLE, PreferenceData
from scionwood_language.model.tiny import TINY
from scionwood_language.readers.rows import read_rows

GOOD = {"true": True, "1": True, "good": True, "false": False, "0": False, "bad": False}
"""The spellings of a verdict; a table has no other way to write one."""


@final
class Verdicts(PreferenceData):
    """Requests with one answer each and a verdict, in three splits without common requests.

    Shapes: a batch has `input_ids`, `labels` and `attention_mask`, each (row, token) int64, and
        `label` (row,) bool, whether an answer is good. Labels are -100 except for answers.

    Units: tokens.

    Source: your file, in the format of TRL (`prompt`, `completion`, `label`); the sample is ours.

    Args:
        source: a file (.jsonl, .json, .csv, .tsv, .parquet), or `sample` for 80 questions.

    Raises:
        RecipeError: a size is not positive, a row is too long, or there are too few requests.
        ReadError: a row has no prompt, answer or verdict. The row is named.
        WeightsError: the tokenizer cannot be loaded.
    """

    def __init__(
        self,
        *,
        source: str | Path = SAMPLE,
        tokenizer: str = TINY,
        max_length: int = 256,
        batch_size: int = 8,
        seed: int = 0,
    ) -> None:
        super().__init__(tokenizer, max_length, batch_size, seed)
        self.source = source

    def splits(self) -> dict[str, list[Any]]:
        """Return the rows by split: the turns of a request, the answer, and its verdict."""
        return self._splits

    def collate(self, pairs: Sequence[Any]) -> dict[str, Tensor]:
        """Return a batch, padded on the right.

        Args:
            pairs: the rows of the batch.

        Raises:
            RecipeError: a row is longer than `max_length`.
        """
        answers = [(request, answer) for request, answer, _ in pairs]
        batch = collate_answers(self.tokenizer, answers, self.max_length)
        return {**batch, "label": torch.tensor([good for _, _, good in pairs])}

    @cached_property
    def _splits(self) -> dict[str, list[Any]]:
        rows = _sample() if self.source == SAMPLE else call_in_child(_read, Path(self.source))
        requests = [(turns(prompt, "")[:1], answer, good) for prompt, answer, good in rows]
        return self.split_by_request(requests, [prompt for prompt, _, _ in rows], self.source)


def _read(path: Path) -> list[tuple[str, str, bool]]:
    rows = []
    for where, row in read_rows(path):
        texts = [str(row.get(name) or "").strip() for name in ("prompt", "completion")]
        good = GOOD.get(str(row.get("label")).strip().lower())
        if not all(texts) or good is None:
            rule = "a row has `prompt`, `completion`, and `label` as true or false"
            raise ReadError(where, rule, "Complete it, or remove it")
        rows.append((texts[0], texts[1], good))
    return rows


def _sample(n: int = 80) -> list[tuple[str, str, bool]]:
    return [
        (f"What comes after {i}?", f"{i + (1 if i % 2 else -1)}.", bool(i % 2)) for i in range(n)
    ]
