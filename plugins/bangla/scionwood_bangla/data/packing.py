"""Put examples side by side in rows, and make batches, without attention from one to another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from scionwood_bangla.text.examples import Example
from scionwood_bangla.text.templates import IGNORED, Encoded

Row = dict[str, Any]
"""`input_ids` and `labels` (token,) int64, `position_ids` of packed rows; see `Collate`."""


def row_of(code: Encoded, example: Example, *, prompt: bool) -> Row:
    """A row of one example, see `Collate`.

    Args:
        code: its tokens.
        example: itself.
        prompt: whether the row also holds its prompt, for generation, and its levels.
    """
    row: Row = {"input_ids": torch.tensor(code.input_ids), "labels": torch.tensor(code.labels)}
    if prompt:
        row["prompt"] = torch.tensor(code.prompt)
        row["register"] = ",".join(sorted(example.register or ()))
    return row


def pack(lengths: Sequence[int], window: int) -> list[list[int]]:
    """Which examples share a row: the longest first, each into the fullest row that takes it.

    Args:
        lengths: tokens of each example, `window` at most.
        window: tokens of a row.

    Returns:
        The numbers of the examples by row.
    """
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    rows: list[list[int]] = []
    by_room: dict[int, list[int]] = {}
    for number in order:
        need = lengths[number]
        room = next((r for r in range(need, window + 1) if by_room.get(r)), None)
        if room is None:
            rows.append([])
            at, room = len(rows) - 1, window
        else:
            at = by_room[room].pop()
        rows[at].append(number)
        by_room.setdefault(room - need, []).append(at)
    return rows


def joined(examples: Sequence[Mapping[str, Tensor]]) -> Row:
    """One row of several examples, each of which counts its positions from zero.

    Args:
        examples: with `input_ids` and `labels` (token,). The first token of each is no target,
            since no token of its own stands before it.
    """
    labels = [example["labels"].clone() for example in examples]
    for each in labels:
        each[0] = IGNORED
    return {
        "input_ids": torch.cat([example["input_ids"] for example in examples]),
        "labels": torch.cat(labels),
        "position_ids": torch.cat([torch.arange(len(e["input_ids"])) for e in examples]),
    }


@final
class Collate:
    """Makes a batch of rows, padded at the end.

    Rows of single examples get `attention_mask`. Packed rows get `position_ids` instead, which
    start over with each example: by that transformers' masks keep the examples apart, whether
    attention is eager, SDPA or flash; what pads a row is an example of its own. Prompts for
    generation are padded at the start.

    Args:
        pad: the token that pads.
    """

    def __init__(self, pad: int) -> None:
        self.pad = pad

    def __call__(self, rows: Sequence[Row]) -> dict[str, Any]:
        """A batch of `input_ids`, `labels`, and `attention_mask` or `position_ids`.

        Of rows that have a `prompt`, also `prompt_ids`, `prompt_mask` and `register`.
        """
        ids = pad_sequence([row["input_ids"] for row in rows], True, self.pad)
        labels = pad_sequence([row["labels"] for row in rows], True, IGNORED)
        batch: dict[str, Any] = {"input_ids": ids, "labels": labels}
        if "position_ids" in rows[0]:
            batch["position_ids"] = torch.stack([_positions(row, ids.shape[1]) for row in rows])
        else:
            lengths = torch.tensor([len(row["input_ids"]) for row in rows])
            batch["attention_mask"] = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
        if "prompt" in rows[0]:
            prompts = [row["prompt"] for row in rows]
            batch["prompt_ids"] = pad_sequence(prompts, True, self.pad, "left")
            ones = [torch.ones_like(prompt) for prompt in prompts]
            batch["prompt_mask"] = pad_sequence(ones, True, 0, "left")
            batch["register"] = [row["register"] for row in rows]
        return batch


def _positions(row: Row, width: int) -> Tensor:
    own: Tensor = row["position_ids"]
    return torch.cat([own, torch.arange(width - len(own))])
