"""The head of a backbone: the part that trains beside the adapter, or alone, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, final

import torch
import torch.nn as nn
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.other import AuxiliaryTrainingWrapper

from scionwood.errors import AdapterError

WRAPPED = ("base_layer", "original_module", "token_adapter")
"""Attributes of the wrappers of peft that hold a module of the base."""

_HEAD_ONLY = "_scionwood_whole_is_head"
DECLARED = "_scionwood_head"
"""The attribute of a backbone with the names of the head that `declared_head` has added."""


def backbone(model: nn.Module) -> nn.Module:
    """Return the backbone inside a model with adapters, or the model itself."""
    return model.get_base_model() if isinstance(model, PeftModel) else model


def head_names(model: nn.Module) -> tuple[str, ...]:
    """Return the names of the modules of the head, relative to the backbone.

    The backbone declares them in its attribute `head`, and `attach(..., head=...)` adds others. The
    result `("",)` means the whole model.
    """
    base = backbone(model)
    if getattr(base, _HEAD_ONLY, False):
        return ("",)
    declared = getattr(base, "head", ())
    # In timm, `head` is a module and not a list of names; it declares nothing here.
    names: tuple[str, ...] = () if isinstance(declared, nn.Module) else tuple(declared)
    names += tuple(name for name in given_head(model) if name not in names)
    for name in names:
        try:
            base.get_submodule(name)
        except AttributeError as error:
            children = ", ".join(child for child, _ in base.named_children())
            raise AdapterError(
                f"head {name!r} of {type(base).__name__}",
                "it has no such module",
                f"Its outermost modules: {children}",
            ) from error
    return names


def given_head(model: nn.Module) -> tuple[str, ...]:
    """Return the names of the head that `declared_head` added to those of the backbone."""
    names: tuple[str, ...] = getattr(backbone(model), DECLARED, ())
    return names


def in_head(name: str, head: tuple[str, ...]) -> bool:
    """Return whether a module or tensor of the backbone belongs to the head."""
    return any(part in ("", name) or name.startswith(f"{part}.") for part in head)


def freeze(model: nn.Module) -> None:
    """Freeze the backbone except its head: the baseline without an adapter.

    Example:
        >>> from scionwood.adapters import freeze
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Linear(16, 1))
        >>> model.head = ("1",)
        >>> freeze(model)
        >>> [name for name, value in model.named_parameters() if value.requires_grad]
        ['1.weight', '1.bias']
    """
    head = head_names(model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(in_head(name, head))
    keep_statistics(model)


def unfreeze(model: nn.Module) -> None:
    """Make all parameters trainable: the baseline of full fine-tuning.

    The whole model then counts as the head.

    Example:
        >>> from scionwood.adapters import unfreeze
        >>> model = torch.nn.Linear(8, 1).requires_grad_(False)
        >>> unfreeze(model)
        >>> all(value.requires_grad for value in model.parameters())
        True
    """
    setattr(model, _HEAD_ONLY, True)
    model.requires_grad_(True)
    for module in model.modules():
        if isinstance(vars(module).get("train"), _FrozenTrain):
            del module.train


def train_head(model: nn.Module) -> None:
    """Make the head of a model with adapters trainable and leave its other parameters alone."""
    base, head = backbone(model), head_names(model)
    for name in head:
        base.get_submodule(name).requires_grad_(True)


def head_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return the parameters and buffers of the head by their names in the backbone.

    The tensors are views and not copies.

    Args:
        model: A backbone, with or without adapters.

    Example:
        >>> from peft import LoraConfig
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Linear(16, 1))
        >>> tuned = scionwood.attach(model, LoraConfig(r=2), targets="0", head=("1",))
        >>> from scionwood.adapters import head_state
        >>> sorted(head_state(tuned))
        ['1.bias', '1.weight']
    """
    head = head_names(model)
    state = backbone(model).state_dict() if head else {}
    return {
        name: value
        for name, value in state.items()
        if in_head(name, head) and isinstance(value, torch.Tensor)
    }


def eval_frozen_norms(model: nn.Module) -> None:
    """Put the normalisation layers of the frozen base into eval mode.

    A frozen BatchNorm in training mode still updates its running mean and variance. The base would
    then differ from the one that the adapter was made for. Norms in the head stay in training mode.
    `attach`, `load_adapter` and `freeze` do more: their norms stay in eval mode after `train()`.

    Example:
        >>> from scionwood.adapters import eval_frozen_norms
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.BatchNorm1d(16))
        >>> eval_frozen_norms(model.requires_grad_(False))
        >>> model[0].training, model[1].training
        (True, False)
    """
    for module in _frozen_norms(model):
        module.eval()


def keep_statistics(model: nn.Module) -> None:
    """Put the frozen norms of a base into eval mode, and let `train()` leave them there.

    A norm whose own parameters train later follows `train()` again. Norms of the head and of
    adapters always follow it.
    """
    for module in _frozen_norms(model):
        if not isinstance(vars(module).get("train"), _FrozenTrain):
            object.__setattr__(module, "train", _FrozenTrain(module))
        module.eval()


@final
class _FrozenTrain:
    """The method `train` of a frozen norm: it stays in eval mode until its parameters train."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def __call__(self, mode: bool = True) -> nn.Module:
        return type(self.module).train(self.module, mode and _trains(self.module))


@final
class BasePlace(NamedTuple):
    """A place of the backbone without adapters that holds a module."""

    name: str
    """The name of the module in the backbone without adapters; empty for the backbone itself."""
    module: nn.Module
    layer: BaseTunerLayer | None
    """The outermost adapter layer around the module."""
    siblings: dict[str, Any]
    """The dictionary that holds the module under `child`; empty for the backbone itself."""
    child: str


def base_places(model: nn.Module) -> Iterator[BasePlace]:
    """Yield the places of the backbone's modules, with those of adapters left out.

    A module that occurs twice within an adapter layer, the head, or the rest is visited once.
    """
    yield from _visit(BasePlace("", backbone(model), None, {}, ""), head_names(model), set())


def _visit(
    place: BasePlace, head: tuple[str, ...], visited: set[tuple[int, int, bool]]
) -> Iterator[BasePlace]:
    name, module, layer, *_ = place
    if isinstance(module, BaseTunerLayer):
        layer = layer or module
    visit = id(module), id(layer), in_head(name, head)
    if visit in visited:
        return
    visited.add(visit)
    wrapper = isinstance(module, BaseTunerLayer | AuxiliaryTrainingWrapper)
    if not wrapper:
        yield place
    for key, part in module._modules.items():
        if part is None or (wrapper and key not in WRAPPED):
            continue
        inner = name if wrapper else f"{name}.{key}".lstrip(".")
        yield from _visit(BasePlace(inner, part, layer, module._modules, key), head, visited)


def base_modules(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the modules of the backbone by their names without adapters, each once."""
    visited: set[int] = set()
    for place in base_places(model):
        if id(place.module) not in visited:
            visited.add(id(place.module))
            yield place.name, place.module


def _frozen_norms(model: nn.Module) -> list[nn.Module]:
    head = head_names(model)
    return [
        module
        for name, module in base_modules(model)
        if _has_statistics(module) and not in_head(name, head) and not _trains(module)
    ]


def _has_statistics(module: nn.Module) -> bool:
    names = ("running_mean", "num_batches_tracked")
    return any(getattr(module, name, None) is not None for name in names)


def _trains(module: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters(recurse=False))
