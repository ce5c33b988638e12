"""Resolve the targets of an adapter, presets and patterns, to the names of modules."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import torch.nn as nn
from peft import PeftConfig
from peft.tuners.tuners_utils import BaseTunerLayer, _maybe_include_all_linear_layers
from torch.nn.parameter import is_lazy

from scionwood.adapters.experts import is_translated, parameter_names, translate, unfit
from scionwood.adapters.head import backbone, head_names, in_head
from scionwood.adapters.layers.attention import whole_attention
from scionwood.adapters.layers.tuners import is_foreign_linear
from scionwood.adapters.methods import is_tuner
from scionwood.adapters.modules import tuner_layers
from scionwood.adapters.patterns import (
    literal,
    matched,
    settle_keys,
    settle_patterns,
    spelled_out,
)
from scionwood.adapters.probe import READ, refused, without
from scionwood.adapters.sources import read_only
from scionwood.errors import AdapterError

NARROWING = ("exclude_modules", "layers_to_transform")
"""Options that exclude modules from those that the targets match."""

ALL = "all-linear"


def settle(
    model: nn.Module,
    config: PeftConfig,
    targets: str | None = None,
    *,
    listed: list[str] | None = None,
    foreign: bool = False,
) -> list[str]:
    """Resolve the targets of a config, and write the names of the modules in place of a pattern.

    Afterwards neither peft nor a reader of the saved file runs the pattern.

    Args:
        model: The bare backbone, or a model with adapters.
        config: The config, changed in place. The config of a prompt method is left alone.
        targets: As in `attach`.
        listed: The names that the targets must resolve to, as a saved adapter lists them. No
            pattern of the config then selects modules.
        foreign: Whether the config comes from others, whose patterns never reach Python's `re`.

    Returns:
        The names of the modules in the order of the model.
    """
    if not is_tuner(config.peft_type.value):
        return []
    if listed is not None:
        return _settle_listed(model, config, listed)
    model = backbone(model)
    config.target_modules = chosen_targets(model, config, targets)
    names, target_option = module_names(model), targets or config.target_modules
    if not foreign:
        _translate(model, config)
    settle_patterns(config, names, foreign=foreign)
    parameters = parameter_names(model, config)
    if config.target_modules is None:
        settle_keys(config, [*names, *parameters], foreign=foreign)
        return []  # target_parameters, or peft's own defaults for a transformers architecture
    if config.target_modules == "all-linear":
        config.target_modules = literal(linear_names(model, config))
    chosen = matched(config, names)
    if not chosen and not getattr(config, "target_parameters", None):
        narrowed = [o for o in NARROWING if getattr(config, o, None) is not None]
        raise _nothing(model, target_option, names, narrowed)
    settle_keys(config, [*chosen, *parameters], foreign=foreign)
    pin(config, chosen, model)
    return chosen


def _settle_listed(model: nn.Module, config: PeftConfig, listed: list[str]) -> list[str]:
    names = module_names(model)
    if foreign := sorted(set(listed) - set(names)):
        raise AdapterError(f"module {foreign[0][:200]!r}", "the base has no such module")
    if isinstance(config.target_modules, str):
        config.target_modules = literal(listed)
    settle_patterns(config, names, foreign=True)
    settle_keys(config, [*(listed or names), *parameter_names(model, config)], foreign=True)
    if config.target_modules is not None:
        chosen = matched(config, names)
        if chosen != listed:
            raise AdapterError(f"modules {listed[:3]}", f"the config adapts others: {chosen[:3]}")
        pin(config, chosen, model)
    return listed


def pin(config: PeftConfig, chosen: list[str], model: nn.Module) -> None:
    """Replace the patterns of a config by the names that they match.

    A list of targets stays, since it is not a pattern and the method Lily groups its layers by its
    entries. It is replaced too if peft would adapt a module of the head through it.
    """
    forward = getattr(config, "feedforward_modules", None)
    if isinstance(forward, str):
        fed = [name for name in chosen if re.fullmatch(forward, name)]
        config.feedforward_modules = literal(fed)
    everything = [name for name, _ in backbone(model).named_modules() if name]
    if isinstance(config.target_modules, str) or set(matched(config, everything)) - set(chosen):
        config.target_modules = literal(chosen)
        if is_translated(model, config):  # which peft would do to a pattern, and not to names
            config.target_modules = list(chosen)
            if matched(config, everything) != chosen:  # a name is the end of another one
                config.target_modules = literal(chosen)
        for option in NARROWING:
            if hasattr(config, option):
                setattr(config, option, None)


def narrow(config: PeftConfig, names: list[str], model: nn.Module) -> None:
    """Let a config that is settled select these modules alone."""
    config.target_modules = literal(names)
    pin(config, names, model)


def module_names(model: nn.Module) -> list[str]:
    """List the modules that an adapter may target.

    These are all modules except the root, the head and those that adapters added.
    """
    head = head_names(model)
    inside = tuple(f"{name}." for name in tuner_layers(model))
    return [
        name
        for name, _ in backbone(model).named_modules()
        if name and not in_head(name, head) and not name.startswith(inside or "\0")
    ]


def chosen_targets(model: nn.Module, config: PeftConfig, targets: str | None) -> Any:
    """Return the words that select modules: a pattern, a list of names, `all-linear` or `None`."""
    presets: Mapping[str, str] = getattr(backbone(model), "adapter_targets", {})
    modules = getattr(config, "target_modules", None)  # a method without layers has no such field
    if targets is None and (modules is not None or getattr(config, "target_parameters", None)):
        return config.target_modules
    if targets is None and presets:
        targets = next(iter(presets))
    return targets if targets is None else presets.get(targets, targets)


def _translate(model: nn.Module, config: PeftConfig) -> None:
    """Let peft translate `all-linear` and older names in a mixture of experts; see `experts`.

    A pattern selects modules by whole names, and is no list of older names.
    """
    linear = config.target_modules == "all-linear"
    if isinstance(config.target_modules, str) and not linear:
        return
    if not (linear and unfit(config)) and is_translated(model, config):
        translate(model, config)


def linear_names(model: nn.Module, config: PeftConfig) -> list[str]:
    """List the linear layers that peft means: those of transformers without the output layer."""
    model, all_linear_config = backbone(model), copy.copy(config)
    all_linear_config.target_modules = "all-linear"
    _maybe_include_all_linear_layers(all_linear_config, model)
    return [name for name, _ in model.named_modules() if name in all_linear_config.target_modules]


def _nothing(
    model: nn.Module, target_option: Any, names: list[str], narrowed: list[str]
) -> AdapterError:
    """Return the error for targets that match no module, with similar names as the remedy."""
    label = target_option if isinstance(target_option, str) else ", ".join(sorted(target_option))
    words = re.split(r"[\\.()|*+?^$\[\]\s]+", label)
    tails = {name.rpartition(".")[2]: name for name in names}
    near = [c for w in words if w for c in get_close_matches(w, list(tails), n=2, cutoff=0.6)]
    examples = [tails[tail] for tail in dict.fromkeys(near)] or _kinds(model, names)
    types = ", ".join(f"{n} ({type(model.get_submodule(n)).__name__})" for n in examples[:6])
    presets = ", ".join(getattr(model, "adapter_targets", {})) or "none"
    return AdapterError(
        f"targets {label!r}",
        f"no module of {type(model).__name__} has such a name"
        + (f", given {' and '.join(narrowed)}" if narrowed else ""),
        f"Similar: {types}. Presets: {presets}. A pattern must match the whole name",
    )


def _kinds(model: nn.Module, names: list[str]) -> list[str]:
    """List one example of each type of layer that has weights."""
    examples: dict[str, str] = {}
    for name in names:
        module = model.get_submodule(name)
        if next(module.parameters(recurse=False), None) is not None:
            examples.setdefault(type(module).__name__, name)
    return list(examples.values())


def settle_layers(
    model: nn.Module, config: PeftConfig, targets: str | None, *, probed: bool
) -> tuple[list[str], dict[str, str], list[str]]:
    """Resolve the targets of a new adapter; see `settle`.

    In addition, `all-linear` includes the linear layers of torch_geometric and e3nn, and the
    output projection of an attention stands for the attention. If the model is not `probed`, that
    is run on an example, which shows dead layers, the source around the layers is read.

    Returns:
        The names of the modules, the reasons by the names of those that a pattern selects and that
        have no adapter, and the names that the targets spell out.
    """
    base = backbone(model)
    for name, value in base.named_parameters():
        if is_lazy(value):
            rule = "its shape is not known yet"
            raise AdapterError(f"parameter {name}", rule, "Run the model once first")
    if not is_tuner(config.peft_type.value):
        return settle(model, config, targets), {}, []
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
    return target_names, left_out | gone, spelled


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
