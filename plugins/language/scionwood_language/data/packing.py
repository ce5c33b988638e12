"""Pack several examples into one row, and make batches, without attention between examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from scionwood import RecipeError
from scionwood_language.chat.templates import IGNORED, Encoded, Message, encode

Row = dict[str, Any]
"""`input_ids` and `labels`, each (token,) int64; packed rows also have `position_ids`."""


def row_of(code: Encoded, more: Mapping[str, Any] | None = None) -> Row:
    """Return a row of one example, see `Collate`."""
    row: Row = {"input_ids": torch.tensor(code.input_ids), "labels": torch.tensor(code.labels)}
    return row if more is None else {**row, "more": dict(more)}


def pack(lengths: Sequence[int], window: int) -> list[list[int]]:
    """Assign examples to rows: the longest first, each to the fullest row with room for it.

    Returns:
        The indices of the examples in each row.
    """
    # Best fit decreasing: the longest first, each into the row that it fills best.
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    rows: list[list[int]] = []
    by_room: dict[int, list[int]] = {}
    for number in order:
        need = lengths[number]
        # Rows by their room, so that the search does not grow with the number of rows.
        room = next((r for r in range(need, window + 1) if by_room.get(r)), None)
        if room is None:
            rows.append([])
            at, room = len(rows) - 1, window
        else:
            at = by_room[room].pop()
        rows[at].append(number)
        by_room.setdefault(room - need, []).append(at)
    return rows


def join(examples: Sequence[Mapping[str, Tensor]]) -> Row:
    """Join several examples into one row. The positions of each example start at zero."""
    labels = [example["labels"].clone() for example in examples]
    for label_ids in labels:
        label_ids[0] = IGNORED
    return {
        "input_ids": torch.cat([example["input_ids"] for example in examples]),
        "labels": torch.cat(labels),
        "position_ids": torch.cat([torch.arange(len(e["input_ids"])) for e in examples]),
    }


@final
class Collate:
    """Makes a batch of rows, padded at the end.

    Rows of one example get `attention_mask`. Packed rows get `position_ids` instead, which restart
    at zero with each example. From these, transformers builds masks that separate the examples, for
    eager, SDPA and flash attention. The padding of a row counts as a separate example.

    Args:
        pad: the id of the padding token.
    """

    def __init__(self, pad: int) -> None:
        self.pad = pad

    def __call__(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Return a batch with `input_ids`, `labels`, and `attention_mask` or `position_ids`.

        If the rows have `more`, the batch also has a list of texts for each of its keys.
        """
        ids = pad_sequence([row["input_ids"] for row in rows], True, self.pad)
        labels = pad_sequence([row["labels"] for row in rows], True, IGNORED)
        batch: dict[str, Any] = {"input_ids": ids, "labels": labels}
        if "position_ids" in rows[0]:
            batch["position_ids"] = torch.stack([_positions(row, ids.shape[1]) for row in rows])
        else:
            lengths = torch.tensor([len(row["input_ids"]) for row in rows])
            batch["attention_mask"] = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
        for name in rows[0].get("more", ()):
            batch[name] = [row["more"][name] for row in rows]
        return batch


def _positions(row: Row, width: int) -> Tensor:
    positions: Tensor = row["position_ids"]
    # From 0 again: the mask that is built from positions keeps the padding apart from the examples.
    return torch.cat([positions, torch.arange(width - len(positions))])


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
