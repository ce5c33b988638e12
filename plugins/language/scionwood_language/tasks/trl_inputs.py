"""The batches of our data components as the inputs of TRL's losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from scionwood import RecipeError
from scionwood_language.chat.templates import IGNORED

Method = Literal["sft", "dpo", "kto", "reward", "grpo"]
"""What TRL trains: answers, pairs, good and bad answers, a reward model, or rewarded samples."""

Inputs = dict[str, Any]


def fine_tuning(tensors: Inputs, batch: Mapping[str, Any]) -> Inputs:
    """Return the inputs of `SFTTrainer`: the batch as it is.

    Args:
        tensors: `input_ids`, `labels`, and `attention_mask` or `position_ids`.
        batch: the batch.
    """
    return tensors


def preferences(tensors: Inputs, batch: Mapping[str, Any]) -> Inputs:
    """Return the inputs of `DPOTrainer`: a mask of the answers takes the place of the labels.

    Args:
        tensors: `input_ids` and `attention_mask`, (2 x pair, token).
        batch: the batch, with `labels`.
    """
    return {**tensors, "completion_mask": (batch["labels"] != IGNORED).long()}


def verdicts(tensors: Inputs, batch: Mapping[str, Any]) -> Inputs:
    """Return the inputs of `KTOTrainer`: of pairs, chosen answers are good, rejected ones bad.

    The divergence is estimated on prompts with the answer of the row before, as in TRL.

    Args:
        tensors: `input_ids` and `attention_mask`, (row, token).
        batch: the batch, with `labels`, and with `label` if it does not hold pairs.
    """
    answers = (batch["labels"] != IGNORED).long()
    first = torch.arange(len(answers), device=answers.device) < len(answers) // 2
    label = batch.get("label", first)
    mismatched = _rotated(batch["input_ids"], batch["attention_mask"], answers)
    return {**tensors, "completion_mask": answers, "label": label, **mismatched}


def scores(tensors: Inputs, batch: Mapping[str, Any]) -> Inputs:
    """Return the inputs of `RewardTrainer`: chosen answers, then rejected ones.

    Args:
        tensors: `input_ids` and `attention_mask`, (2 x pair, token).
        batch: the batch.
    """
    return tensors


PAIRS = ("input_ids", "attention_mask")
INPUTS: dict[Method, tuple[tuple[str, ...], Callable[[Inputs, Mapping[str, Any]], Inputs]]] = {
    "sft": (("input_ids", "labels", "attention_mask", "position_ids"), fine_tuning),
    "dpo": (PAIRS, preferences),
    "kto": (PAIRS, verdicts),
    "reward": (PAIRS, scores),
    "grpo": (PAIRS, fine_tuning),
}
"""The tensors of a batch that each method reads, and the function that makes TRL's inputs."""


def rollouts(batch: Mapping[str, Any], group: int) -> list[dict[str, Any]]:
    """Return the rows of `GRPOTrainer`: each prompt once for each completion of its group.

    Args:
        batch: a batch of conversations, with `turns` and what the judge of the data reads.
        group: the completions of a prompt.

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
    """Return a row in the format of TRL, which its trainers need to start.

    Args:
        method: the method.
    """
    row: dict[str, Any] = {"prompt": "a."}
    if method in ("dpo", "reward"):
        return [row | {"chosen": " b", "rejected": " c"}]
    if method == "kto":
        return [row | {"completion": " b", "label": good} for good in (True, False)]
    return [row | {"completion": " b"}]


def _rotated(ids: Tensor, mask: Tensor, answers: Tensor) -> Inputs:
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
