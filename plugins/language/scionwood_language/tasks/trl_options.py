"""Which options of TRL's configs a recipe may set, and what TRL need not say."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

from scionwood import RecipeError

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
