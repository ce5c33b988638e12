"""Single answers and pairs of answers as batches: encoded by a tokenizer, and padded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from scionwood import RecipeError
from scionwood_language.chat.templates import Message, encode
from scionwood_language.data.packing import Collate, Row, row_of


def collate_pairs(
    tokenizer: Any, pairs: Sequence[tuple[Sequence[Message], str, str]], max_length: int
) -> dict[str, Tensor]:
    """Return pairs of answers as a batch, the chosen ones first; see `collate_answers`."""
    answers = [(prompt, chosen) for prompt, chosen, _ in pairs]
    answers += [(prompt, rejected) for prompt, _, rejected in pairs]
    return collate_answers(tokenizer, answers, max_length)


def collate_answers(
    tokenizer: Any, answers: Sequence[tuple[Sequence[Message], str]], max_length: int
) -> dict[str, Tensor]:
    """Return requests with their answers as a batch, padded on the right.

    Returns:
        `input_ids`, `labels` and `attention_mask`, each (answer, token) int64.

    Raises:
        RecipeError: one is longer than `max_length` tokens.
    """
    rows: list[Row] = []
    for prompt, answer in answers:
        code = encode(tokenizer, [*prompt, {"role": "assistant", "content": answer}])
        if (length := len(code.input_ids)) > max_length:
            rule = f"data.max_length is {max_length}, and a truncated answer has no end token"
            raise RecipeError(f"a pair of {length} tokens", rule, "Raise data.max_length")
        rows.append(row_of(code))
    return Collate(tokenizer.pad_token_id)(rows)
