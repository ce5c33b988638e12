"""What a recipe does to its backbone before training: adapter, fused operators, blocks."""

from __future__ import annotations

from typing import Any

from torch import nn

from scionwood.adapters import attach, freeze, unfreeze
from scionwood.errors import AdapterError, RecipeError
from scionwood.kernels import enable
from scionwood.recipes.recipe import Recipe
from scionwood.training.blocks import checkpoint_blocks, compile_blocks
from scionwood.training.options import callback_names


def prepare(backbone: nn.Module, recipe: Recipe) -> nn.Module:
    """Attach the adapter of a recipe, or freeze or unfreeze the backbone for a baseline.

    Raises:
        AdapterError: the method refuses its options, or no layer of the backbone fits.
    """
    if recipe.adapter.component is None:
        (freeze if recipe.adapter.name == "frozen" else unfreeze)(backbone)
        return backbone
    options: dict[str, Any] = dict(recipe.adapter.options)
    targets = options.pop("targets")
    try:
        config = recipe.adapter.component(**options)
    except (ValueError, TypeError, ImportError) as error:  # peft checks options together
        name = f"adapter {recipe.adapter.name!r}"
        raise AdapterError(name, str(error), "Change its options in the recipe") from error
    tuned: nn.Module = attach(backbone, config, targets=targets)
    return tuned


def fuse(backbone: nn.Module, recipe: Recipe) -> None:
    """Let adapter layers use fused operators, unless the recipe says `kernels: off`.

    A task whose predictions are gradients needs second derivatives, which these operators lack.
    """
    if recipe.kernels == "off" or getattr(recipe.task.component, "needs_gradient", False):
        return
    options: Any = {} if isinstance(recipe.kernels, str) else recipe.kernels
    enable(backbone, **options)


def set_blocks(backbone: nn.Module, recipe: Recipe) -> None:
    """Compile the repeated blocks, or compute them again in the backward pass, as a recipe says.

    Raises:
        RecipeError: the backbone has no repeated blocks, they cannot be computed twice, or a
            callback skips blocks, which compiled ones do not allow.
    """
    if recipe.gradient_checkpointing:
        checkpoint_blocks(backbone)
    if recipe.compile and "prefix_cache" in callback_names(recipe.trainer):
        rule = "the callback prefix_cache skips blocks, and compiled blocks cannot be skipped"
        raise RecipeError("compile", rule, "Leave one of the two out")
    if recipe.compile:
        compile_blocks(backbone, {} if recipe.compile is True else recipe.compile)
