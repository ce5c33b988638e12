"""Find a last layer that still has its initial values, so that it must not stay frozen."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn as nn
from torch.nn.modules.conv import _ConvNd

_CLASSIFIERS = ("Classification", "QuestionAnswering", "MultipleChoice")


class FrozenHeadWarning(UserWarning):
    """The last layer was never trained and stays frozen, so that its output stays random.

    Example:
        >>> import warnings
        >>> from peft import LoraConfig
        >>> layers = torch.nn.Linear(8, 16), torch.nn.LayerNorm(16), torch.nn.Linear(16, 4)
        >>> trained = torch.nn.init.normal_(layers[1].weight)  # the last layer is as torch made it
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("error", authoring.FrozenHeadWarning)
        ...     scionwood.attach(torch.nn.Sequential(*layers), LoraConfig(r=2), targets="0")
        Traceback (most recent call last):
        ...
        scionwood.adapters.fresh.FrozenHeadWarning: ...
    """


def fresh_head(model: nn.Module) -> tuple[tuple[str, ...], str] | None:
    """Find the last layers that were never trained, in a model without adapters.

    Three signs are used:

    - timm: the number of classes differs from that of the pretrained weights.
    - transformers: the checkpoint was saved by a class with another head.
    - Any model: the last layer has initial values and most other layers do not. Initial values are
      those of torch, or a bias whose entries are all equal.

    In the first two cases a bias with trained values still means that the layer was trained. A
    model that is random everywhere has no fresh head by the third sign.

    Returns:
        The names of the head's modules and the sign in words; `None` if there is no such layer.
    """
    states = {name: _initial(model.get_submodule(name)) for name in _last_layers(model)}
    names = tuple(name for name, is_initial in states.items() if is_initial is not False)
    if not names:
        return None
    if reason := _other_classes(model) or _other_architecture(model, names[0]):
        return names, reason
    names = tuple(name for name in names if states[name])
    if not names or not _mostly_trained(model, names):
        return None
    return (
        tuple(_widest(model, name) for name in names),
        "it has initial values, and most other layers do not",
    )


def _last_layers(model: nn.Module) -> list[str]:
    """Name the classifiers that timm declares, or the linear or convolution layer defined last."""
    names = {id(module): name for name, module in model.named_modules()}
    parts: Any = model.get_classifier() if _is_timm(model) else model  # type: ignore[operator]
    last = []
    for part in parts if isinstance(parts, tuple | list) else (parts,):
        leaves = _leaves(part) if isinstance(part, nn.Module) else ()
        last += [leaf for leaf in leaves if isinstance(leaf, nn.Linear | _ConvNd)][-1:]
    return [names[id(layer)] for layer in last if names.get(id(layer))]


def _is_timm(model: nn.Module) -> bool:
    return hasattr(model, "pretrained_cfg") and callable(getattr(model, "get_classifier", None))


def _other_classes(model: nn.Module) -> str:
    """Return the sign of timm in words, or an empty text."""
    timm_config: Any = getattr(model, "pretrained_cfg", None) if _is_timm(model) else None
    pretrained = timm_config.get("num_classes") if isinstance(timm_config, dict) else None
    classes = getattr(model, "num_classes", None)
    if not pretrained or classes == pretrained:
        return ""
    return f"it has {classes} classes, and the pretrained weights have {pretrained}"


def _other_architecture(model: nn.Module, layer: str) -> str:
    """Return the sign of transformers in words, or an empty text."""
    saved = getattr(getattr(model, "config", None), "architectures", None) or ()
    architecture = type(model).__name__
    if not saved or architecture in saved or not any(word in architecture for word in _CLASSIFIERS):
        return ""
    # transformers marks the parameters that it read from the checkpoint.
    parameters = model.get_submodule(layer).parameters()
    if any(getattr(parameter, "_is_hf_initialized", False) for parameter in parameters):
        return ""
    return f"{architecture} has it, and the checkpoint is of {', '.join(map(str, saved))}"


def _mostly_trained(model: nn.Module, but: tuple[str, ...]) -> bool:
    """Return whether more layers are trained than fresh; layers that do not tell do not count.

    Norms decide if there are any: they start constant, while initial weights have many forms.
    """
    skipped = {id(model.get_submodule(name)) for name in but}
    leaves = [module for module in _leaves(model) if id(module) not in skipped]
    votes = [_initial(leaf) for leaf in leaves if not isinstance(leaf, nn.Linear | _ConvNd)]
    if not any(vote is not None for vote in votes):
        votes = [_initial(leaf) for leaf in leaves]
    return votes.count(False) > votes.count(True)


def _widest(model: nn.Module, name: str) -> str:
    """Name the largest module around a layer in which every layer has initial values."""
    parent = name.rpartition(".")[0]
    while parent and all(_initial(leaf) for leaf in _leaves(model.get_submodule(parent))):
        name, parent = parent, parent.rpartition(".")[0]
    return name


def _leaves(model: nn.Module) -> Iterator[nn.Module]:
    """Yield the modules that have parameters of their own."""
    for module in model.modules():
        if next(module.parameters(recurse=False), None) is not None:
            yield module


@torch.no_grad()
def _initial(module: nn.Module) -> bool | None:
    """Return whether a layer has initial values; `None` if its values do not tell."""
    parameters = list(module.parameters(recurse=False))
    if any(p.is_meta or not p.is_floating_point() for p in parameters):
        return None
    if isinstance(module, nn.Linear | _ConvNd):
        return _initial_layer(module.weight, module.bias)
    if all(p.numel() == max(p.shape, default=1) for p in parameters):  # a norm, of any class
        return all(_constant(p) for p in parameters)
    return None


def _initial_layer(weight: torch.Tensor, bias: torch.Tensor | None) -> bool | None:
    """Decide by the default of torch: both uniform within 1 / sqrt(inputs of one output)."""
    bound = 1 / math.sqrt(weight[0].numel())
    if bias is None:
        return True if _uniform(weight, bound) else None
    if _constant(bias) and (bias.numel() > 1 or not bias.any()):
        return True
    if float(bias.abs().max()) > bound * (1 + torch.finfo(bias.dtype).eps):
        return False
    return _uniform(weight, bound)


def _constant(values: torch.Tensor) -> bool:
    return bool((values == values.reshape(-1)[0]).all()) if values.numel() else True


def _uniform(weight: torch.Tensor, bound: float) -> bool | None:
    """Return whether values are uniform within a bound; `None` if they are too few to tell.

    Training moves some of the values near the bound beyond it. The mean square of n uniform values
    is bound^2 / 3 with a relative standard deviation of sqrt(0.8 / n).
    """
    count = weight.numel()
    if count < 64:
        return None
    if float(weight.abs().max()) > bound * (1 + torch.finfo(weight.dtype).eps):
        return False
    ratio = float(weight.float().square().mean()) / (bound * bound / 3)
    return abs(ratio - 1) < 4 * math.sqrt(0.8 / count)
