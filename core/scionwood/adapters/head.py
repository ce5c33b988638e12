"""What trains without an adapter: the head, nothing else (`freeze`), or all of it (`unfreeze`)."""

from __future__ import annotations

import torch
import torch.nn as nn
from peft import PeftModel

from scionwood.errors import AdapterError

_WHOLE = "_scionwood_whole_is_head"


def backbone(model: nn.Module) -> nn.Module:
    """The backbone inside a model with adapters, or the model itself."""
    return model.get_base_model() if isinstance(model, PeftModel) else model


def head_names(model: nn.Module) -> tuple[str, ...]:
    """The names of the head's modules, relative to the backbone; `("",)` is all of it.

    Raises:
        AdapterError: the backbone names a module that it does not have.
    """
    base = backbone(model)
    if getattr(base, _WHOLE, False):
        return ("",)
    declared = getattr(base, "head", ())
    # A module that happens to be called `head`, as in timm, declares nothing.
    names: tuple[str, ...] = () if isinstance(declared, nn.Module) else tuple(declared)
    for name in names:
        try:
            base.get_submodule(name)
        except AttributeError as error:
            raise AdapterError(
                f"head {name!r} of {type(base).__name__}", "it has no such module"
            ) from error
    return names


def in_head(name: str, head: tuple[str, ...]) -> bool:
    """Whether a module or tensor of the backbone belongs to the head."""
    return any(part in ("", name) or name.startswith(f"{part}.") for part in head)


def freeze(model: nn.Module) -> None:
    """Freeze the backbone but for its head: the baseline without an adapter."""
    head = head_names(model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(in_head(name, head))


def unfreeze(model: nn.Module) -> None:
    """Train everything: the baseline of full fine-tuning, in which the whole model is the head."""
    setattr(model, _WHOLE, True)
    model.requires_grad_(True)


def train_head(model: nn.Module) -> None:
    """Make the head of a model with adapters trainable; its other parameters stay as they are."""
    base, head = backbone(model), head_names(model)
    for name in head:
        base.get_submodule(name).requires_grad_(True)


def head_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """The head's parameters and buffers by their names in the backbone; views, not copies."""
    head = head_names(model)
    state = backbone(model).state_dict() if head else {}
    return {
        name: value
        for name, value in state.items()
        if in_head(name, head) and isinstance(value, torch.Tensor)
    }


def eval_frozen_norms(model: nn.Module) -> None:
    """Keep the running statistics of the frozen base fixed; call it after `model.train()`.

    A frozen BatchNorm in training mode would still move its mean and variance, so that the base
    would no longer be the one that the adapter was made for. Norms in the head go on.
    """
    head = head_names(model)
    for name, module in backbone(model).named_modules():
        statistics = getattr(module, "running_mean", None)
        if statistics is None or in_head(name, head) or _trains(module):
            continue
        module.eval()


def _trains(module: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters(recurse=False))
