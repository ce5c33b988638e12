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

from scionwood.adapters.head import head_names, in_head
from scionwood.errors import AdapterError

LENGTH = 512
"""The longest pattern, in characters."""

TRIES = 5e7
"""The most ways to try one pattern on all names; a second or two of Python's `re`."""

PATTERNS = ("target_modules", "exclude_modules", "feedforward_modules")
"""Options that peft matches against whole names where they are a string."""

_REPEATED_GROUP = re.compile(r"\)\s*[*+{]")
_REPEAT = re.compile(r"(?<!\\)(?:[*+]|\{\d*,\d*\})")
_OPTIONAL = re.compile(r"(?<![(*+?}\\])\?")


def check_pattern(pattern: str, option: str, names: Sequence[str], *, prefixed: bool = False) -> None:
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
    remedy = "Name the modules in a list instead"
    shown = f"{option} {pattern[:80]!r}"
    if len(pattern) > LENGTH:
        raise AdapterError(shown, f"a pattern has at most {LENGTH} characters", remedy)
    repeats = len(_REPEAT.findall(pattern)) + prefixed
    longest = max(map(len, names), default=1)
    ways = float(longest) ** repeats / math.factorial(repeats) * 2.0 ** len(_OPTIONAL.findall(pattern))
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
    """Resolve what a config targets and write the explicit names back into the config.

    Afterwards neither peft nor a reader of the saved file needs the pattern.

    Args:
        model: the bare backbone, or a model that has adapters already.
        config: changed in place; without `target_modules` (prompts) it is left alone.
        targets: a preset of `model.adapter_targets`, a pattern over whole module names,
            `all-linear`, or None for the config's own targets or else the first preset.

    Returns:
        The names of the modules, in the model's order.

    Raises:
        AdapterError: nothing matches; near names and types are listed.
    """
    if not hasattr(config, "target_modules"):
        return []
    _choose(model, config, targets)
    names = module_names(model)
    check_patterns(config, names)
    if config.target_modules is None:
        return []  # target_parameters, or peft's own defaults for a transformers architecture
    tuner = PEFT_TYPE_TO_TUNER_MAPPING[config.peft_type]
    wanted = _linear(model) if _is_shorthand(config.target_modules) else None
    if wanted is not None:
        config.target_modules = wanted
    chosen = [name for name in names if tuner._check_target_module_exists(config, name)]
    if not chosen and not getattr(config, "target_parameters", None):
        raise _nothing(model, targets or config.target_modules, names)
    if chosen:
        pin(config, chosen, names)
    return chosen


def pin(config: PeftConfig, chosen: list[str], names: Iterable[str]) -> None:
    """Make a config target exactly `chosen` out of all module `names`."""
    all_names = set(names)
    forward = getattr(config, "feedforward_modules", None)
    if forward is not None:
        config.feedforward_modules = _exact(
            [name for name in chosen if _feeds_forward(forward, name)], all_names
        )
    config.target_modules = _exact(chosen, all_names)
    for option in ("exclude_modules", "layers_to_transform", "layers_pattern"):
        if hasattr(config, option):
            setattr(config, option, None)


def module_names(model: nn.Module) -> list[str]:
    """The names that an adapter may target: all but the root, the head and what adapters added."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    head = head_names(model)
    inside = tuple(f"{n}." for n, m in model.named_modules() if isinstance(m, BaseTunerLayer))
    return [
        name
        for name, _ in model.named_modules()
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


def _is_shorthand(targets: Any) -> bool:
    return isinstance(targets, str) and targets == "all-linear"


def _linear(model: nn.Module) -> list[str]:
    return [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]


def _feeds_forward(forward: Any, name: str) -> bool:
    if isinstance(forward, str):
        return re.fullmatch(forward, name) is not None
    return any(name.endswith(word) for word in forward)


def _exact(chosen: list[str], names: set[str]) -> list[str] | str:
    """A list where peft's suffix rule keeps it exact, else a pattern of literal names."""
    others = names - set(chosen)
    if any(other.endswith(tuple(chosen)) for other in others):
        return "|".join(re.escape(name) for name in chosen)
    return chosen


def _nothing(model: nn.Module, wanted: Any, names: list[str]) -> AdapterError:
    shown = wanted if isinstance(wanted, str) else ", ".join(sorted(wanted))
    words = re.split(r"[\\.()|*+?^$\[\]\s]+", shown)
    tails = {name.rpartition(".")[2]: name for name in names}
    near = [c for w in words if w for c in get_close_matches(w, list(tails), n=2, cutoff=0.6)]
    examples = [tails[tail] for tail in dict.fromkeys(near)] or _kinds(model, names)
    types = ", ".join(f"{n} ({type(model.get_submodule(n)).__name__})" for n in examples[:6])
    presets = ", ".join(getattr(model, "adapter_targets", {})) or "none"
    return AdapterError(
        f"targets {shown!r}",
        f"no module of {type(model).__name__} has such a name",
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
