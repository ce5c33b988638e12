"""The head of a backbone: the part that trains beside the adapter, or alone, or not at all."""

from __future__ import annotations

import torch
import torch.nn as nn
from peft import PeftModel

from scionwood.errors import AdapterError

_WHOLE = "_scionwood_whole_is_head"


def backbone(model: nn.Module) -> nn.Module:
    """Return the backbone inside a model with adapters, or the model itself."""
    return model.get_base_model() if isinstance(model, PeftModel) else model


def head_names(model: nn.Module) -> tuple[str, ...]:
    """Return the names of the modules of the head, relative to the backbone.

    The backbone declares them in its attribute `head`. The result `("",)` means the whole model.

    Raises:
        AdapterError: The backbone declares a module that it does not have.
    """
    base = backbone(model)
    if getattr(base, _WHOLE, False):
        return ("",)
    declared = getattr(base, "head", ())
    # In timm, `head` is a module and not a list of names; it declares nothing here.
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
    """Return whether a module or tensor of the backbone belongs to the head."""
    return any(part in ("", name) or name.startswith(f"{part}.") for part in head)


def freeze(model: nn.Module) -> None:
    """Freeze the backbone except its head: the baseline without an adapter."""
    head = head_names(model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(in_head(name, head))


def unfreeze(model: nn.Module) -> None:
    """Make all parameters trainable: the baseline of full fine-tuning.

    The whole model then counts as the head.
    """
    setattr(model, _WHOLE, True)
    model.requires_grad_(True)


def train_head(model: nn.Module) -> None:
    """Make the head of a model with adapters trainable and leave its other parameters alone."""
    base, head = backbone(model), head_names(model)
    for name in head:
        base.get_submodule(name).requires_grad_(True)


def head_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return the parameters and buffers of the head by their names in the backbone.

    The tensors are views and not copies.
    """
    head = head_names(model)
    state = backbone(model).state_dict() if head else {}
    return {
        name: value
        for name, value in state.items()
        if in_head(name, head) and isinstance(value, torch.Tensor)
    }


def eval_frozen_norms(model: nn.Module) -> None:
    """Put the normalisation layers of the frozen base into eval mode; call after `model.train()`.

    A frozen BatchNorm in training mode still updates its running mean and variance. The base would
    then differ from the one that the adapter was made for. Norms in the head stay in training mode.
    """
    head = head_names(model)
    for name, module in backbone(model).named_modules():
        statistics = getattr(module, "running_mean", None)
        if statistics is None or in_head(name, head) or _trains(module):
            continue
        module.eval()


def _trains(module: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters(recurse=False))
