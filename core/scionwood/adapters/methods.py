"""Adapter methods by name: peft's in lower case, those of plugins as `plugin/name`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from peft import PeftConfig
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING, PEFT_TYPE_TO_TUNER_MAPPING
from peft.tuners.tuners_utils import BaseTuner

from scionwood.adapters.peft_types import BUILT_IN
from scionwood.errors import AdapterError, PluginError
from scionwood.plugins import discovery

LANGUAGE_ONLY = frozenset({"poly", "shadow", "xlora"})
"""Methods that need a transformers model although peft builds them as tuners."""


@dataclass(frozen=True)
class Origin:
    """The source of a method.

    Attributes:
        method: The name in a recipe, `lora` or `plugin/name`.
        plugin: The name of the plugin. `None` if the method is peft's or no plugin lists it.
        distribution: "name version" of the distribution that provides the plugin, or `None`.
    """

    method: str
    plugin: str | None = None
    distribution: str | None = None


def methods() -> list[str]:
    """List the methods that work on any `nn.Module`: those of peft, then those of plugins."""
    built_in_methods = [kind.lower() for kind in BUILT_IN if is_tuner(kind)]
    return sorted(set(built_in_methods) - LANGUAGE_ONLY) + [
        f"{p}/{n}" for p, n, _, _ in _from_plugins()
    ]


def is_tuner(kind: str) -> bool:
    """Return whether a `peft_type` wraps layers; prompt methods for language models do not."""
    tuner = PEFT_TYPE_TO_TUNER_MAPPING.get(kind)
    return isinstance(tuner, type) and issubclass(tuner, BaseTuner)


def config_class(name: str) -> type[PeftConfig]:
    """Return the config class of a method, prompt methods for language models included.

    Args:
        name: The name in a recipe, such as `lora` or `plugin/name`.

    Raises:
        AdapterError: No such method exists. If its plugin is missing, the message has the pip
            command that installs it.

    Example:
        >>> from scionwood.adapters import config_class
        >>> config_class("lora").__name__, config_class("methods/disel").__name__
        ('LoraConfig', 'DiselConfig')
    """
    if "/" in name:
        return _plugin_class(name)
    kind = name.upper()
    if name.islower() and kind in BUILT_IN and kind in PEFT_TYPE_TO_CONFIG_MAPPING:
        config: type[PeftConfig] = PEFT_TYPE_TO_CONFIG_MAPPING[kind]
        return config
    method_names = methods()
    close = discovery.did_you_mean(name.lower(), [*method_names, *(n.lower() for n in BUILT_IN)])
    remedy = close or f"Known: {', '.join(method_names)}"
    raise AdapterError(
        f"adapter method {name!r}", "neither peft nor a plugin has this method", remedy
    )


def origin(config: PeftConfig) -> Origin:
    """Return where the method of a config comes from."""
    kind = str(config.peft_type.value)
    if kind in BUILT_IN:
        return Origin(kind.lower())
    for plugin, name, reference, distribution in _from_plugins():
        if _loaded(reference) is type(config):
            return Origin(f"{plugin}/{name}", plugin, distribution)
    return Origin(kind.lower())


def _plugin_class(name: str) -> type[PeftConfig]:
    try:
        config: type[PeftConfig] = discovery.load("adapters", name)
    except PluginError as error:
        raise AdapterError(
            f"adapter method {name!r}", f"{error.value}: {error.rule}", error.remedy
        ) from error
    if not any(
        config is registered_class for registered_class in PEFT_TYPE_TO_CONFIG_MAPPING.values()
    ):
        raise AdapterError(
            f"adapter method {name!r}",
            f"{config!r} is not a config class decorated with @scionwood.authoring.peft_method",
            "Report it to the authors of the plugin",
        )
    return config


def _from_plugins() -> list[tuple[str, str, str, str]]:
    """List plugin, method, reference and distributions of each method that a plugin registers."""
    return [
        (entry.name, name, reference, ", ".join(entry.distributions))
        for entry in discovery.plugins()
        if entry.plugin is not None
        for name, reference in entry.plugin.adapters.items()
    ]


def _loaded(reference: str) -> Any:
    """Return the object that a reference names, or `None` if its module is not imported yet."""
    module, _, attribute = reference.partition(":")
    if module not in sys.modules:
        return None
    return getattr(import_module(module), attribute, None)
