"""The options of a recipe, and the batches of our data components, as TRL takes them."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
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


ELSEWHERE = {
    "learning_rate": "task.lr",
    "weight_decay": "task.weight_decay",
    "optim": "task.optimizer",
    "lr_scheduler_type": "task.schedule",
    "warmup_steps": "task.warmup_steps",
    "max_steps": "trainer.max_steps",
    "num_train_epochs": "trainer.max_epochs",
    "max_grad_norm": "trainer.gradient_clip_val",
    "gradient_accumulation_steps": "trainer.accumulate_grad_batches",
    "bf16": "trainer.precision",
    "fp16": "trainer.precision",
    "gradient_checkpointing": "the key gradient_checkpointing of the recipe",
    "per_device_train_batch_size": "data.batch_size",
    "max_length": "data.max_length",
    "packing": "data.packing",
    "seed": "the key seed of the recipe",
    "report_to": "trainer.logger",
}
"""Options of TRL's configs that another section of the recipe rules."""

WITHOUT_EFFECT = """
dataset_ eos_token pad_ chat_template_path truncation_mode padding_free model_init_kwargs
precompute_ref sync_ref_model num_iterations steps_per_generation generation_batch_size use_vllm
vllm_ shuffle_dataset activation_offloading completion_only_loss assistant_only_loss eval_packing
"""
"""Beginnings of options of TRL's own loop and data, which do not run here."""


def check_options(options: Mapping[str, Any], config: type) -> None:
    """Refuse options that TRL's config does not have, or that have no effect here.

    Raises:
        RecipeError: naming the option, and where it belongs.
    """
    from transformers import TrainingArguments

    general = {field.name for field in fields(TrainingArguments)}
    names = {field.name for field in fields(config)} - general
    names = {name for name in names if not name.startswith(tuple(WITHOUT_EFFECT.split()))}
    for name in options:
        if name in ELSEWHERE:
            rule = "another section of the recipe rules it"
            raise RecipeError(f"task.options.{name}", rule, f"Set {ELSEWHERE[name]}")
        if name not in names:
            near = difflib.get_close_matches(name, names, 3) or sorted(names)[:8]
            rule = f"it is no option of {config.__name__} that has an effect here"
            raise RecipeError(f"task.options.{name}", rule, f"Such as {', '.join(near)}")


@contextmanager
def quietly() -> Iterator[None]:
    """Let TRL use names that transformers has renamed since, without a warning at each step."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* is deprecated and will be removed in v6")
        yield
