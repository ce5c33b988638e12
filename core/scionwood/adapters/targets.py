"""Resolve the targets of an adapter, presets and patterns, to the names of modules.

A pattern may come from a stranger's recipe or adapter, and some patterns keep Python's `re` busy
for years. `check_pattern` bounds the number of ways to try a pattern on the names of a model. It
refuses the pattern if the bound is too high. Every pattern is checked before it is matched.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import torch.nn as nn
from peft import PeftConfig
from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING
from peft.tuners.tuners_utils import _maybe_include_all_linear_layers

from scionwood.adapters.head import backbone, head_names, in_head
from scionwood.adapters.methods import is_tuner
from scionwood.adapters.modules import tuner_layers
from scionwood.errors import AdapterError

LENGTH = 512
"""The longest pattern, in characters."""

TRIES = 5e7
"""The largest number of ways to try one pattern on all names; about two seconds of `re`."""

NARROWING = ("exclude_modules", "layers_to_transform")
"""Options that exclude modules from those that the targets match."""

PATTERNS = ("target_modules", "exclude_modules", "feedforward_modules")
"""Options that peft matches against whole names if their value is a string."""

_LITERAL = re.compile(r"(?:[\w|]|\\[.-])*")
_REPEATED_GROUP = re.compile(r"\)\s*[*+{]")
_REPEAT = re.compile(r"(?<!\\)(?:[*+]|\{\d*,\d*\})")
_OPTIONAL = re.compile(r"(?<![(*+?}\\])\?")


def check_pattern(
    pattern: str, option: str, names: Sequence[str], *, prefixed: bool = False
) -> None:
    """Check that a pattern cannot run for long on these names.

    Let L be the length of the longest name. Then k repeats can be tried in at most L^k / k! ways,
    an optional part in 2 ways, and g groups with p bars in (p + 1)^g ways. A repeated group has no
    such bound and is refused.

    Args:
        pattern: A regular expression.
        option: The name of the option that holds it, for the error.
        names: The names of modules that it will be matched against.
        prefixed: Whether peft puts `.*` before the pattern.

    Raises:
        AdapterError: The pattern does not compile, is too long, or could run for long.
    """
    if _LITERAL.fullmatch(pattern):
        return
    remedy = "Name the modules in a list instead"
    shown = f"{option} {pattern[:80]!r}"
    if len(pattern) > LENGTH:
        raise AdapterError(shown, f"a pattern has at most {LENGTH} characters", remedy)
    repeats = len(_REPEAT.findall(pattern)) + prefixed
    longest = max(map(len, names), default=1)
    ways = (
        float(longest) ** repeats / math.factorial(repeats) * 2.0 ** len(_OPTIONAL.findall(pattern))
    )
    ways *= (pattern.count("|") + 1.0) ** min(pattern.count("("), 64)
    if _REPEATED_GROUP.search(pattern) or ways * len(names) > TRIES:
        raise AdapterError(shown, "it could run for very long (repeats, optional parts)", remedy)
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise AdapterError(shown, f"is not a regular expression ({error})", remedy) from error


def check_patterns(config: PeftConfig, names: Sequence[str]) -> None:
    """Check every option of a config that peft uses as a pattern.

    Raises:
        AdapterError: A pattern could run for long. The message names the option.
    """
    for option in PATTERNS:
        value = getattr(config, option, None)
        if isinstance(value, str):
            check_pattern(value, option, names)
    for option in vars(config):
        if option == "modules_to_save" or option.endswith("_pattern"):
            for pattern in _patterns(getattr(config, option), option):
                check_pattern(pattern, option, names, prefixed=True)


def _patterns(value: Any, option: str) -> list[str]:
    """List the strings of a list, the keys of a mapping, or the one string."""
    patterns = [value] if isinstance(value, str) else [str(item) for item in value or ()]
    if len(patterns) > 1024:
        raise AdapterError(f"{option} with {len(patterns)} entries", "at most 1024 are allowed")
    return patterns


def settle(
    model: nn.Module,
    config: PeftConfig,
    targets: str | None = None,
    *,
    listed: list[str] | None = None,
) -> list[str]:
    """Resolve the targets of a config, and write the names of the modules in place of a pattern.

    Afterwards neither peft nor a reader of the saved file runs the pattern.

    Args:
        model: The bare backbone, or a model with adapters.
        config: The config, changed in place. The config of a prompt method is left alone.
        targets: A preset of `model.adapter_targets`, a pattern over whole module names, or
            `all-linear`. `None` means the targets of the config, or the first preset if the config
            has none.
        listed: The names that the targets must resolve to, as a saved adapter lists them. No
            pattern of the config then selects modules. `None` means no such list.

    Returns:
        The names of the modules in the order of the model.

    Raises:
        AdapterError: No module matches; the message lists similar names and types. Or the config
            selects other modules than the listed ones.
    """
    if not is_tuner(config.peft_type.value):
        return []
    if listed is not None:
        return _settle_listed(model, config, listed)
    model = backbone(model)
    _choose(model, config, targets)
    names = module_names(model)
    check_patterns(config, names)
    if config.target_modules is None:
        return []  # target_parameters, or peft's own defaults for a transformers architecture
    if config.target_modules == "all-linear":
        config.target_modules = literal(_linear(model, config))
    chosen = matched(config, names)
    if not chosen and not getattr(config, "target_parameters", None):
        narrowed = [o for o in NARROWING if getattr(config, o, None) is not None]
        raise _nothing(model, targets or config.target_modules, names, narrowed)
    pin(config, chosen, model)
    return chosen


def _settle_listed(model: nn.Module, config: PeftConfig, listed: list[str]) -> list[str]:
    names = module_names(model)
    if foreign := sorted(set(listed) - set(names)):
        raise AdapterError(f"module {foreign[0][:200]!r}", "the base has no such module")
    if isinstance(config.target_modules, str):
        config.target_modules = literal(listed)
    check_patterns(config, names)
    if config.target_modules is not None:
        chosen = matched(config, names)
        if chosen != listed:
            raise AdapterError(f"modules {listed[:3]}", f"the config adapts others: {chosen[:3]}")
        pin(config, chosen, model)
    return listed


def matched(config: PeftConfig, names: Sequence[str]) -> list[str]:
    """Return the names that peft would adapt; call `check_patterns` first."""
    tuner = PEFT_TYPE_TO_TUNER_MAPPING[config.peft_type]
    return [name for name in names if tuner._check_target_module_exists(config, name)]


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
        for option in NARROWING:
            if hasattr(config, option):
                setattr(config, option, None)


def literal(names: Iterable[str]) -> str:
    """Return a pattern that matches these names and no other."""
    return "|".join(re.escape(name) for name in names)


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


def _choose(model: nn.Module, config: PeftConfig, targets: str | None) -> None:
    presets: Mapping[str, str] = getattr(model, "adapter_targets", {})
    if targets is None and not _unset(config):
        return
    if targets is None and presets:
        targets = next(iter(presets))
    if targets is not None:
        config.target_modules = presets.get(targets, targets)


def _unset(config: PeftConfig) -> bool:
    modules = getattr(config, "target_modules", None)  # a method without layers has no such field
    return modules is None and not getattr(config, "target_parameters", None)


def _linear(model: nn.Module, config: PeftConfig) -> list[str]:
    """List the linear layers that peft means: those of transformers without the output layer."""
    named = copy.copy(config)
    _maybe_include_all_linear_layers(named, model)
    return [name for name, _ in model.named_modules() if name in named.target_modules]


def _nothing(model: nn.Module, wanted: Any, names: list[str], narrowed: list[str]) -> AdapterError:
    """Return the error for targets that match no module, with similar names as the remedy."""
    shown = wanted if isinstance(wanted, str) else ", ".join(sorted(wanted))
    words = re.split(r"[\\.()|*+?^$\[\]\s]+", shown)
    tails = {name.rpartition(".")[2]: name for name in names}
    near = [c for w in words if w for c in get_close_matches(w, list(tails), n=2, cutoff=0.6)]
    examples = [tails[tail] for tail in dict.fromkeys(near)] or _kinds(model, names)
    types = ", ".join(f"{n} ({type(model.get_submodule(n)).__name__})" for n in examples[:6])
    presets = ", ".join(getattr(model, "adapter_targets", {})) or "none"
    return AdapterError(
        f"targets {shown!r}",
        f"no module of {type(model).__name__} has such a name"
        + (f", given {' and '.join(narrowed)}" if narrowed else ""),
        f"Similar: {types}. Presets: {presets}. A pattern must match the whole name",
    )


def _kinds(model: nn.Module, names: list[str]) -> list[str]:
    """List one example of each type of layer that has weights."""
    seen: dict[str, str] = {}
    for name in names:
        module = model.get_submodule(name)
        if next(module.parameters(recurse=False), None) is not None:
            seen.setdefault(type(module).__name__, name)
    return list(seen.values())
