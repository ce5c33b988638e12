"""What a recipe does to its backbone before training: adapter, fused operators, blocks.

The repeated blocks may be compiled by region, or computed again in the backward pass.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from scionwood.adapters import attach, freeze, unfreeze
from scionwood.adapters.modules import tuner_layers
from scionwood.errors import AdapterError, RecipeError, TrainingError
from scionwood.kernels import enable
from scionwood.recipes.recipe import Recipe


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
        RecipeError: the backbone has no repeated blocks, or they cannot be computed twice.
    """
    if recipe.gradient_checkpointing:
        checkpoint_blocks(backbone)
    if recipe.compile:
        compile_blocks(backbone, {} if recipe.compile is True else recipe.compile)


VERSIONS = 64
"""The most versions of a block that are compiled; torch's own limit is eight."""


def repeated(model: nn.Module) -> list[nn.Module]:
    """Return the outermost modules that share their list and their class with another one.

    Layers without parts of their own, and layers with an adapter, are no blocks.
    """
    layers = {id(layer) for layer in tuner_layers(model).values()}

    def visit(module: nn.Module) -> Iterator[nn.Module]:
        children = [child for child in module.children() if id(child) not in layers]
        composed = [child for child in children if next(child.children(), None) is not None]
        counts = Counter(map(type, composed))
        listed = isinstance(module, nn.ModuleList | nn.Sequential)
        for child in composed:
            if listed and counts[type(child)] > 1:
                yield child
            else:
                yield from visit(child)

    return list(dict.fromkeys(visit(model)))


def compile_blocks(model: nn.Module, options: Mapping[str, Any]) -> None:
    """Compile each repeated block with `torch.compile`, in place; equal blocks share the code.

    Raises:
        RecipeError: the model repeats no block, or there is no such backend.
    """
    from torch._dynamo import list_backends

    backend = options.get("backend", "inductor")
    if backend not in (backends := list_backends(())):
        rule = f"torch has no compiler backend {backend!r}"
        raise RecipeError("compile.backend", rule, f"Known: {', '.join(backends)}")
    blocks = _blocks("compile", model)
    if (transformer := _of_transformers(model)) is not None:
        # A cache makes each block differ, so that none share code.
        transformer.config.use_cache = False
    for block in blocks:
        if block._compiled_call_impl is None:
            block.compile(**options)


def checkpoint_blocks(model: nn.Module) -> None:
    """Keep only the input of each repeated block, and compute the rest again in the backward pass.

    A model of transformers does so by its own method. The gradients are the same.

    Raises:
        RecipeError: the model repeats no block, or a block updates running statistics, which would
            count each batch twice.
    """
    if (transformer := _of_transformers(model)) is not None:
        _checkpoint_transformers(transformer)
        return
    for block in _blocks("gradient_checkpointing", model):
        for name, part in block.named_modules():
            if part.training and getattr(part, "running_mean", None) is not None:
                rule = f"{name} updates running statistics, and would see each batch twice"
                remedy = "Freeze it, or leave the key out"
                raise RecipeError("gradient_checkpointing", rule, remedy)
        block.forward = MethodType(_checkpointed, block)


@contextmanager
def compiled(model: nn.Module, compiling: object) -> Iterator[None]:
    """Name the key `compile` in an error of the compiler; run blocks as they were at the end.

    By default torch runs a block uncompiled and in silence if it needs more than eight versions.
    Inside the context it may have `VERSIONS`, and more of them are an error.
    """
    if not compiling:
        yield
        return
    from torch._dynamo import config
    from torch._dynamo.exc import FailOnRecompileLimitHit, TorchDynamoException

    try:
        with config.patch(recompile_limit=VERSIONS, fail_on_recompile_limit_hit=True):
            yield
    except (TorchDynamoException, FailOnRecompileLimitHit) as error:
        cause = getattr(error, "inner_exception", error)  # that of the backend
        reason = next((line for line in str(cause).splitlines() if line.strip()), "no reason given")
        rule = f"torch cannot compile a block ({reason.strip()})"
        raise TrainingError("compile", rule, "Set compile: false") from error
    finally:
        for module in model.modules():
            module._compiled_call_impl = None


def _of_transformers(model: nn.Module) -> Any:
    """Return the outermost model of transformers that can compute its blocks again, or None."""
    flag = "supports_gradient_checkpointing"
    # Of the class: the wrapper of peft passes the questions for its own attributes on.
    return next((m for m in model.modules() if getattr(type(m), flag, False)), None)


def _checkpoint_transformers(model: Any) -> None:
    new = getattr(model, "activation_checkpointing_enable", None)  # transformers 5
    (new or model.gradient_checkpointing_enable)({"use_reentrant": False})
    model.config.use_cache = False
    if hasattr(model, "_require_grads_hook"):
        # Only the reentrant variant needs inputs with gradients. They cost a backward pass through
        # the frozen blocks before the first adapter.
        model.disable_input_require_grads()


def _blocks(key: str, model: nn.Module) -> list[nn.Module]:
    blocks = repeated(model)
    if not blocks:
        bare = getattr(model, "get_base_model", lambda: model)()
        rule = f"{type(bare).__name__} repeats no block"
        raise RecipeError(key, rule, "Leave the key out")
    return blocks


def _checkpointed(self: nn.Module, *args: Any, **options: Any) -> Any:
    # A method and not a closure: a copy of the block must call itself, and not the original.
    forward = type(self).forward
    tensors = [x for x in (*args, *options.values()) if isinstance(x, Tensor)]
    needed = any(x.requires_grad for x in (*tensors, *self.parameters()))
    if self.training and torch.is_grad_enabled() and needed:
        return checkpoint(forward, self, *args, use_reentrant=False, **options)
    return forward(self, *args, **options)
