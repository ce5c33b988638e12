"""Adapter methods by name: peft's own in lower case, and `plugin/name` for a plugin's."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from peft import PeftConfig
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING, PEFT_TYPE_TO_TUNER_MAPPING
from peft.tuners.tuners_utils import BaseTuner

from scionwood import discovery
from scionwood.adapters.peft_types import BUILT_IN
from scionwood.errors import AdapterError, PluginError

LANGUAGE_ONLY = frozenset({"poly", "shadow", "xlora"})
"""Methods that need a transformers model, though peft builds them as tuners."""


@dataclass(frozen=True)
class Origin:
    """Where a method comes from.

    Attributes:
        method: its name in a recipe, `lora` or `plugin/name`.
        plugin: the plugin's name, or None for peft's own and for what no plugin registers.
        distribution: "name version" of the distribution that provides the plugin.
    """

    method: str
    plugin: str | None = None
    distribution: str | None = None


def methods() -> list[str]:
    """Every method that works on any `nn.Module`: peft's, then the installed plugins'."""
    own = [kind.lower() for kind in BUILT_IN if is_tuner(kind)]
    return sorted(set(own) - LANGUAGE_ONLY) + [f"{p}/{n}" for p, n, _, _ in _from_plugins()]


def is_tuner(kind: str) -> bool:
    """Whether a `peft_type` wraps layers, unlike the prompts for language models."""
    tuner = PEFT_TYPE_TO_TUNER_MAPPING.get(kind)
    return isinstance(tuner, type) and issubclass(tuner, BaseTuner)


def config_class(name: str) -> type[PeftConfig]:
    """The config class of a method; prompt methods for language models are found here too.

    Args:
        name: `lora`, or `plugin/name`.

    Raises:
        AdapterError: no such method; a plugin that is missing is named with its pip command.
    """
    if "/" in name:
        return _plugin_class(name)
    kind = name.upper()
    if name.islower() and kind in BUILT_IN and kind in PEFT_TYPE_TO_CONFIG_MAPPING:
        found: type[PeftConfig] = PEFT_TYPE_TO_CONFIG_MAPPING[kind]
        return found
    known = methods()
    close = discovery.did_you_mean(name.lower(), [*known, *(n.lower() for n in BUILT_IN)])
    remedy = close or f"Known: {', '.join(known)}"
    raise AdapterError(f"adapter method {name!r}", "peft and the plugins have no such one", remedy)


def origin(config: PeftConfig) -> Origin:
    """Where the method of a config comes from."""
    kind = str(config.peft_type.value)
    if kind in BUILT_IN:
        return Origin(kind.lower())
    for plugin, name, reference, distribution in _from_plugins():
        if _loaded(reference) is type(config):
            return Origin(f"{plugin}/{name}", plugin, distribution)
    return Origin(kind.lower())


def _plugin_class(name: str) -> type[PeftConfig]:
    try:
        found: type[PeftConfig] = discovery.load("adapters", name)
    except PluginError as error:
        raise AdapterError(
            f"adapter method {name!r}", f"{error.value}: {error.rule}", error.remedy
        ) from error
    if not any(found is known for known in PEFT_TYPE_TO_CONFIG_MAPPING.values()):
        raise AdapterError(
            f"adapter method {name!r}",
            f"{found!r} is no config class under @scionwood.peft_method",
            "Ask the plugin's authors",
        )
    return found


def _from_plugins() -> list[tuple[str, str, str, str]]:
    return [
        (found.name, name, reference, ", ".join(found.distributions))
        for found in discovery.plugins()
        if found.plugin is not None
        for name, reference in found.plugin.adapters.items()
    ]


def _loaded(reference: str) -> Any:
    """What a reference names, without importing a plugin that nobody uses."""
    module, _, attribute = reference.partition(":")
    if module not in sys.modules:
        return None
    return getattr(import_module(module), attribute, None)
