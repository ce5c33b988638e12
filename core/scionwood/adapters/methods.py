"""Adapter methods by name: peft's in lower case, those of plugins as `plugin/name`.

peft looks up a method by a member of the enum `PeftType`, which is closed. `extend_enum` sets
private attributes of `enum.Enum` as they are in Python 3.11 to 3.14. A test checks them for each
version of peft and Python.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple, TypeVar, final

from peft import PeftConfig, PeftType
from peft.mapping import (
    PEFT_TYPE_TO_CONFIG_MAPPING,
    PEFT_TYPE_TO_PREFIX_MAPPING,
    PEFT_TYPE_TO_TUNER_MAPPING,
)
from peft.tuners.tuners_utils import BaseTuner

from scionwood.errors import AdapterError, PluginError
from scionwood.plugins import discovery

LANGUAGE_ONLY = frozenset({"poly", "shadow", "xlora"})
"""Methods that need a transformers model although peft builds them as tuners."""

Config = TypeVar("Config", bound=type)
BUILT_IN = frozenset(PeftType.__members__)
"""The types that peft defines itself."""


@final
class Origin(NamedTuple):
    """The source of a method; plugin and distribution are `None` if it is peft's or not listed."""

    method: str
    """The name in a recipe, `lora` or `plugin/name`."""
    plugin: str | None = None
    distribution: str | None = None
    """Name and version of the distribution that provides the plugin."""


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
    if config not in PEFT_TYPE_TO_CONFIG_MAPPING.values():
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


def extend_enum(name: str) -> PeftType:
    """Return the member `name` of `PeftType`, and add it first if it does not exist."""
    if name in PeftType.__members__:
        return PeftType[name]
    member: Any = str.__new__(PeftType, name)
    member._name_ = member._value_ = name
    member.__objclass__ = PeftType
    member._sort_order_ = len(PeftType._member_names_)
    PeftType._member_names_.append(name)
    PeftType._member_map_[name] = member
    PeftType._value2member_map_[name] = member
    type.__setattr__(PeftType, name, member)
    return PeftType[name]


def peft_method(name: str, *, tuner: type[BaseTuner]) -> Callable[[Config], Config]:
    """Decorate a config class so that peft knows its method; put it above `@dataclass`.

    The config class may define `parameter_groups(self) -> Mapping[str, Mapping[str, float]]`, which
    `scionwood.parameter_groups` reads. Its keys are names of `adapter_layer_names` of the layer,
    for example `{"disel_gate": {"lr_scale": 5.0, "weight_decay": 0.0}}`.

    Args:
        name: The name of the method in lower case. Its upper-case form is the `peft_type` in saved
            files.
        tuner: A `BaseTuner` whose `prefix` no other method uses.

    Raises:
        AdapterError: The class is not a dataclass on `PeftConfig` with the field `target_modules`,
            or another method has the same name or prefix.

    Example:
        >>> from dataclasses import dataclass
        >>> from peft import PeftConfig
        >>> class ShiftTuner(authoring.LayerTuner):
        ...     prefix = "shift_"
        >>> @authoring.peft_method("shift", tuner=ShiftTuner)
        ... @dataclass
        ... class ShiftConfig(PeftConfig):
        ...     target_modules: list[str] | str | None = None
        >>> ShiftConfig().peft_type.value
        'SHIFT'
    """

    def register(config: Config) -> Config:
        _check(name, config, tuner)
        member = extend_enum(name.upper())
        parent = config.__post_init__  # type: ignore[attr-defined]

        def post_init(self: Any) -> None:
            parent(self)
            self.peft_type = member

        config.__post_init__ = post_init  # type: ignore[attr-defined]
        PEFT_TYPE_TO_CONFIG_MAPPING[member] = config
        PEFT_TYPE_TO_TUNER_MAPPING[member] = tuner
        PEFT_TYPE_TO_PREFIX_MAPPING[member] = tuner.prefix
        return config

    return register


def _check(name: str, config: type, tuner: type[BaseTuner]) -> None:
    if not name.isidentifier() or not name.islower() or name.endswith("_"):
        raise AdapterError(f"adapter method {name!r}", "a name is in lower case, such as 'disel'")
    is_config = issubclass(config, PeftConfig) and "__dataclass_fields__" in vars(config)
    fields = {field.name for field in dataclasses.fields(config)} if is_config else set()
    if "target_modules" not in fields:
        raise AdapterError(
            f"config class {config.__name__}",
            "an adapter method needs a dataclass on peft.PeftConfig with the field target_modules",
            "Put @dataclass below @peft_method",
        )
    if name.upper() in BUILT_IN:
        raise AdapterError(f"adapter method {name!r}", "peft has one of this name", "Rename it")
    registered_class = PEFT_TYPE_TO_CONFIG_MAPPING.get(name.upper())
    if registered_class is not None and _path(registered_class) != _path(config):
        raise AdapterError(
            f"adapter method {name!r}",
            f"{_path(registered_class)} has this name already",
            "Rename it",
        )
    for other, prefix in PEFT_TYPE_TO_PREFIX_MAPPING.items():
        if prefix == tuner.prefix and other.value != name.upper():
            raise AdapterError(
                f"prefix {prefix!r} of {tuner.__name__}", f"{other.value} uses it", "Rename it"
            )


def _path(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"
