"""Which modules `all-linear`, a pattern and the name of an output projection mean."""

from __future__ import annotations

import copy
from typing import NamedTuple, final

import torch.nn as nn
from peft import PeftConfig
from peft.tuners.tuners_utils import BaseTunerLayer
from torch.nn.parameter import is_lazy

from scionwood.adapters.experts import is_translated, parameter_names, translate, unfit
from scionwood.adapters.head import backbone
from scionwood.adapters.layers.attention import whole_attention
from scionwood.adapters.layers.tuners import is_foreign_linear
from scionwood.adapters.left_out import READ, refused, without
from scionwood.adapters.methods import is_tuner
from scionwood.adapters.patterns import literal, spelled_out
from scionwood.adapters.sources import read_only
from scionwood.adapters.targets import chosen_targets, linear_names, module_names, narrow, settle
from scionwood.errors import AdapterError

ALL = "all-linear"


@final
class Settled(NamedTuple):
    """What the targets of a config mean in a model."""

    names: list[str]
    """The names of the modules."""
    left_out: dict[str, str]
    """The reasons by the names of the modules that a pattern selects and that have no adapter."""
    spelled: list[str]
    """The names that the targets spell out."""


def settle_layers(
    model: nn.Module, config: PeftConfig, targets: str | None, *, probed: bool
) -> Settled:
    """Resolve the targets of a config; see `targets.settle`.

    In addition, `all-linear` includes the linear layers of torch_geometric and e3nn, and the
    output projection of an attention stands for the attention.

    Args:
        model: The backbone, or a model with adapters.
        config: The config, changed in place.
        targets: As in `attach`.
        probed: Whether the model will run on an example, which shows dead layers. Otherwise the
            source around the layers is read.

    Raises:
        AdapterError: As `settle`, or the method has no form for an attention. Or a parameter has no
            shape yet, or nothing is left of the targets.
    """
    base = backbone(model)
    for name, value in base.named_parameters():
        if is_lazy(value):
            rule = "its shape is not known yet"
            raise AdapterError(f"parameter {name}", rule, "Run the model once first")
    if not is_tuner(config.peft_type.value):
        return Settled(settle(model, config, targets), {}, [])
    words = chosen_targets(model, config, targets)
    everything, left_out = words == ALL, dict[str, str]()
    if everything:
        targets, left_out = _all_linear(model, config)
    names = settle(model, config, targets)
    candidates = whole_attention(model, config, names)
    spelled = spelled_out(words, candidates)
    gone = refused(model, config, candidates)
    if not probed:
        gone |= {name: READ for name in candidates if read_only(base, name)}
    target_names = without(candidates, gone, spelled) if gone else candidates
    if target_names != names:
        narrow(config, target_names, model)
    if everything:
        left_out |= _mixture(model, config, target_names)
    return Settled(target_names, left_out | gone, spelled)


def _all_linear(model: nn.Module, config: PeftConfig) -> tuple[str, dict[str, str]]:
    """Return the targets that `all-linear` means, and the linear layers that have no adapter."""
    named_layers = [(name, backbone(model).get_submodule(name)) for name in module_names(model)]
    foreign = {name for name, module in named_layers if is_foreign_linear(module)}
    other = {
        name: f"{type(module).__name__} of {type(module).__module__} has no form of an adapter"
        for name, module in named_layers
        if type(module).__name__.endswith("Linear")
        and not isinstance(module, nn.Linear | BaseTunerLayer)
        and name not in foreign
        and module._parameters.get("weight") is not None
    }
    if not foreign:
        return ALL, other
    chosen = [n for n, module in named_layers if n in foreign or isinstance(module, nn.Linear)]
    return literal(chosen), other


def _mixture(model: nn.Module, config: PeftConfig, names: list[str]) -> dict[str, str]:
    """Return what `all-linear` leaves out of a mixture of experts."""
    if not is_translated(model, config):
        return {}
    if option := unfit(config):
        all_of_it = copy.copy(config)
        all_of_it.target_modules = ALL
        translate(model, all_of_it)
        reason = f"peft adapts stacked experts and routers without {option} alone"
        return dict.fromkeys(parameter_names(model, all_of_it), reason)
    reason = "peft takes its name for that of the stacked experts (a pattern can name it)"
    return {name: reason for name in linear_names(model, config) if name not in names}
