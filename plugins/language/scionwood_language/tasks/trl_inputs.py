"""The batches of our data components as the inputs of TRL's losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from scionwood import RecipeError
from scionwood_language.chat.templates import IGNORED

Method = Literal["sft", "dpo", "kto", "reward", "grpo"]
"""What TRL trains: answers, pairs, good and bad answers, a reward model, or rewarded samples."""

SFT = ("input_ids", "labels", "attention_mask", "position_ids")
"""The tensors that `SFTTrainer` reads; the others read ids and mask alone."""


def inputs_of(method: Method, batch: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs of the loss of TRL's trainer.

    A mask of the answers takes the place of the labels. For `kto`, the chosen answers of pairs are
    good and the rejected ones bad, and the divergence is estimated on prompts with the answer of
    the row before, as in TRL.

    Args:
        method: any but `grpo`.
        batch: `input_ids`, `labels`, and `attention_mask` or `position_ids`, each (row, token);
            for `kto` also `label` (row,), if it does not hold pairs.
    """
    names = SFT if method == "sft" else ("input_ids", "attention_mask")
    inputs = {name: batch[name] for name in names if name in batch}
    if method not in ("dpo", "kto"):
        return inputs
    answers = (batch["labels"] != IGNORED).long()
    inputs["completion_mask"] = answers
    if method == "kto":
        first = torch.arange(len(answers), device=answers.device) < len(answers) // 2
        inputs["label"] = batch.get("label", first)
        inputs |= _rotated(batch["input_ids"], batch["attention_mask"], answers)
    return inputs


def _rotated(ids: Tensor, mask: Tensor, answers: Tensor) -> dict[str, Tensor]:
    rows = [
        (row[(visible == 1) & (part == 0)], row[part == 1])
        for row, visible, part in zip(ids, mask, answers, strict=True)
    ]
    prompts, completions = zip(*rows, strict=True)
    pairs = list(zip(prompts, (completions[-1], *completions[:-1]), strict=True))
    texts = [torch.cat(pair) for pair in pairs]
    marks = [torch.cat([torch.zeros_like(a), torch.ones_like(b)]) for a, b in pairs]
    masks = [torch.ones_like(text) for text in texts]
    # The padding is hidden by the mask, so that its token does not matter.
    parts = {"input_ids": texts, "attention_mask": masks, "completion_mask": marks}
    return {f"KL_{name}": pad_sequence(part, True, 0) for name, part in parts.items()}


def rollouts(batch: Mapping[str, Any], group: int) -> list[dict[str, Any]]:
    """Return the rows of `GRPOTrainer`: each prompt once for each completion of its group.

    Raises:
        RecipeError: the rows are packed, so a row has no prompt.
    """
    if "turns" not in batch:
        remedy = "Set data.packing: false, and use a data component of conversations"
        raise RecipeError("a batch without prompts", "grpo samples answers to prompts", remedy)
    columns = {name: column for name, column in batch.items() if not isinstance(column, Tensor)}
    prompts = columns.pop("turns")
    return [
        {"prompt": prompt, **{name: column[row] for name, column in columns.items()}}
        for row, prompt in enumerate(prompts)
        for _ in range(group)
    ]


def placeholder(method: Method) -> list[dict[str, Any]]:
    """Return a row in the format of TRL, which its trainers need to start."""
    row: dict[str, Any] = {"prompt": "a."}
    if method in ("dpo", "reward"):
        return [row | {"chosen": " b", "rejected": " c"}]
    if method == "kto":
        return [row | {"completion": " b", "label": good} for good in (True, False)]
    return [row | {"completion": " b"}]
