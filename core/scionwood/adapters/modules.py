"""The wrappers of peft inside a model, and the tensors that belong to an adapter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
import torch.nn as nn
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer

from scionwood.adapters.head import (
    DECLARED,
    backbone,
    base_modules,
    given_head,
    head_names,
    in_head,
)
from scionwood.errors import AdapterError


def tuner_layers(model: nn.Module) -> dict[str, BaseTunerLayer]:
    """Return the outermost wrapped layers by their names in the backbone."""
    layers: dict[str, BaseTunerLayer] = {}
    for name, module in backbone(model).named_modules():
        inside = any(name.startswith(f"{outer}.") for outer in layers)
        if isinstance(module, BaseTunerLayer) and not inside:
            layers[name] = module
    return layers


def parts(layer: nn.Module) -> list[BaseTunerLayer]:
    """Return a layer of an adapter and those inside it, as the attention of peft has one."""
    return [module for module in layer.modules() if isinstance(module, BaseTunerLayer)]


def has_adapter(layer: Any, name: str) -> bool:
    """Return whether a layer has an adapter of this name."""
    return name in layer._all_available_adapter_names()


def learned(model: nn.Module, adapter: str) -> list[tuple[str, nn.Parameter]]:
    """Return the parameters of an adapter that train, each with the name of its layer."""
    return [
        (name, parameter)
        for name, layer in tuner_layers(model).items()
        for key, parameter in layer.named_parameters()
        if parameter.requires_grad and adapter in key.split(".")
    ]


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model into eval mode in the block, and each module back into its own mode behind it."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        yield
    finally:
        for module, training in modes:
            module.training = training


def adapter_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that adapters added, by name, trainable or not, each once.

    Example:
        >>> from peft import LoraConfig
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Linear(8, 1))
        >>> tuned = scionwood.attach(model, LoraConfig(r=2), targets="0", head=("1",))
        >>> [tuple(value.shape) for value in authoring.adapter_parameters(tuned).values()]
        [(2, 8), (8, 2)]
    """
    if not isinstance(model, PeftModel):
        return {}
    if model.active_peft_config.is_prompt_learning:
        base = {id(p) for p in model.base_model.parameters()}
    else:
        base = {id(p) for _, m in base_modules(model) for p in m.parameters(recurse=False)}
    return {name: p for name, p in model.named_parameters() if id(p) not in base}


def gathered(value: torch.Tensor) -> torch.Tensor:
    """Return a contiguous copy of a tensor on the CPU, gathered first if it is sharded."""
    gathered = value.full_tensor() if hasattr(value, "full_tensor") else value
    return gathered.detach().cpu().contiguous().clone()


def writes() -> bool:
    """Return whether this process writes files: the only one, or rank 0 of a distributed run."""
    return not (dist.is_available() and dist.is_initialized()) or dist.get_rank() == 0


@contextmanager
def declared_head(model: nn.Module, names: Sequence[str] | str) -> Iterator[None]:
    """Add modules to the head of a model; if the block raises an error, the model is as before.

    Raises:
        AdapterError: The backbone has no such module. Or the model has adapters already, which
            were made for a base that includes the module.
    """
    names = (names,) if isinstance(names, str) else tuple(names)
    new = tuple(name for name in names if not in_head(name, head_names(model)))
    if "" in new:
        raise AdapterError("head ''", "the whole model is no head", "Name its last module")
    if new and isinstance(model, PeftModel):
        raise AdapterError(
            f"head {', '.join(new)}",
            "the model has an adapter, whose base includes this module",
            "Name the head when the first adapter is attached",
        )
    with restored_on_error(model):
        if new:
            setattr(backbone(model), DECLARED, given_head(model) + new)
            head_names(model)  # raises the error if a module does not exist
        yield


@contextmanager
def restored_on_error(model: nn.Module) -> Iterator[None]:
    """Restore module tree, gradient flags and the backbone's attributes if the block fails.

    peft wraps layers one by one, so that an error at the third leaves two wrapped. The values of
    parameters are not restored, and the block must not change them.
    """
    tree: list[tuple[Any, dict[str, Any]]] = [
        (children, dict(children))
        for module in model.modules()
        for children in (module._modules, module._parameters, module._buffers)
    ]
    base = vars(backbone(model))
    tree.append((base, dict(base)))
    if "peft_config" in base:  # the tuner shares this dictionary
        tree.append((base["peft_config"], dict(base["peft_config"])))
    flags = [(p, p.requires_grad) for p in model.parameters()]
    try:
        yield
    except BaseException:
        for children, before in tree:
            children.clear()
            children.update(before)
        for parameter, flag in flags:
            if parameter.requires_grad != flag:  # a parameter without a shape takes no flag
                parameter.requires_grad_(flag)
        raise
