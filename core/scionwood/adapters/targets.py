"""Which modules an adapter goes to: presets and patterns, resolved once to explicit names.

A pattern may come from a stranger's recipe or adapter, and Python's `re` can be made to run for
years. `check_pattern` bounds the number of ways in which a pattern can be tried on the names of a
model, and refuses it where the bound is too high: nothing is matched before.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import torch.nn as nn
from peft import PeftConfig
from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING

from scionwood.adapters.head import backbone, head_names, in_head
from scionwood.adapters.methods import is_tuner
from scionwood.adapters.modules import tuner_layers
from scionwood.errors import AdapterError

LENGTH = 512
"""The longest pattern, in characters."""

TRIES = 5e7
"""The most ways to try one pattern on all names; a second or two of Python's `re`."""

NARROWING = ("exclude_modules", "layers_to_transform")
"""Options that take modules away from what the targets match."""

PATTERNS = ("target_modules", "exclude_modules", "feedforward_modules")
"""Options that peft matches against whole names where they are a string."""

_LITERAL = re.compile(r"(?:[\w|]|\\[.-])*")
_REPEATED_GROUP = re.compile(r"\)\s*[*+{]")
_REPEAT = re.compile(r"(?<!\\)(?:[*+]|\{\d*,\d*\})")
_OPTIONAL = re.compile(r"(?<![(*+?}\\])\?")


def check_pattern(
    pattern: str, option: str, names: Sequence[str], *, prefixed: bool = False
) -> None:
    """Accept a pattern only if it cannot hang on these names.

    With L the longest name, k repeats are tried in at most L^k / k! ways, an optional part in 2,
    and g groups with p bars in (p + 1)^g. A repeated group has no such bound.

    Args:
        pattern: a regular expression.
        option: its name, for the error.
        names: the module names that it will be matched against.
        prefixed: peft puts `.*` before it.

    Raises:
        AdapterError: it does not compile, is too long, or could run for long.
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
        raise AdapterError(shown, f"is no regular expression ({error})", remedy) from error


def check_patterns(config: PeftConfig, names: Sequence[str]) -> None:
    """Check every option of a config that peft uses as a pattern.

    Raises:
        AdapterError: naming the option.
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
    """The strings of a list, the keys of a mapping, or the one string."""
    found = [value] if isinstance(value, str) else [str(item) for item in value or ()]
    if len(found) > 1024:
        raise AdapterError(f"{option} with {len(found)} entries", "at most 1024 are allowed")
    return found


def settle(model: nn.Module, config: PeftConfig, targets: str | None) -> list[str]:
    """Resolve what a config targets and write literal names back in place of a pattern.

    Afterwards neither peft nor a reader of the saved file runs the pattern.

    Args:
        model: the bare backbone, or a model that has adapters already.
        config: changed in place; one of a prompt method is left alone.
        targets: a preset of `model.adapter_targets`, a pattern over whole module names,
            `all-linear`, or None for the config's own targets or else the first preset.

    Returns:
        The names of the modules, in the model's order.

    Raises:
        AdapterError: nothing matches; near names and types are listed.
    """
    if not is_tuner(config.peft_type.value):
        return []
    model = backbone(model)
    _choose(model, config, targets)
    names = module_names(model)
    check_patterns(config, names)
    if config.target_modules is None:
        return []  # target_parameters, or peft's own defaults for a transformers architecture
    if config.target_modules == "all-linear":
        config.target_modules = literal(_linear(model))
    chosen = matched(config, names)
    if not chosen and not getattr(config, "target_parameters", None):
        narrowed = [o for o in NARROWING if getattr(config, o, None) is not None]
        raise _nothing(model, targets or config.target_modules, names, narrowed)
    pin(config, chosen, model)
    return chosen


def matched(config: PeftConfig, names: Sequence[str]) -> list[str]:
    """The names that peft would adapt; `check_patterns` comes before."""
    tuner = PEFT_TYPE_TO_TUNER_MAPPING[config.peft_type]
    return [name for name in names if tuner._check_target_module_exists(config, name)]


def pin(config: PeftConfig, chosen: list[str], model: nn.Module) -> None:
    """Turn the patterns of a config into the names that they match.

    A list stays, since it is no pattern and Lily groups its layers by its entries, unless peft
    would adapt a module of the head by it too.
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
    """A pattern that matches these names and no other."""
    return "|".join(re.escape(name) for name in names)


def module_names(model: nn.Module) -> list[str]:
    """The names that an adapter may target: all but the root, the head and what adapters added."""
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
    return config.target_modules is None and not getattr(config, "target_parameters", None)


def _linear(model: nn.Module) -> list[str]:
    return [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]


def _nothing(model: nn.Module, wanted: Any, names: list[str], narrowed: list[str]) -> AdapterError:
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
        f"Near: {types}. Presets: {presets}. A pattern must match the whole name",
    )


def _kinds(model: nn.Module, names: list[str]) -> list[str]:
    """One example of each type of layer that has weights."""
    seen: dict[str, str] = {}
    for name in names:
        module = model.get_submodule(name)
        if next(module.parameters(recurse=False), None) is not None:
            seen.setdefault(type(module).__name__, name)
    return list(seen.values())
