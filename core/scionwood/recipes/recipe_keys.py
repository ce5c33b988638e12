"""Check the keys of a recipe without importing a component, as far as source texts tell them.

An override may change a key, and with the name of a component its options.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scionwood.errors import AdapterError, PluginError, RecipeError
from scionwood.plugins import discovery
from scionwood.recipes.recipe_file import set_dotted
from scionwood.recipes.signatures import option_names, peft_methods

_log = logging.getLogger("scionwood.recipes.recipe")

SLOTS = {"task": "tasks", "backbone": "backbones", "data": "data"}
BASELINES = ("frozen", "full")
"""The values of `adapter:` that are not methods: only the head trains, or every weight trains."""

_NAMES = {f"{section}.name": section for section in (*SLOTS, "adapter")}
TOP = (*SLOTS, "adapter", "kernels", "compile", "gradient_checkpointing")
TOP += ("trainer", "seed", "smoke")
KERNELS = ("auto", "off")
"""Whether adapter layers use fused operators if they can, or always the forward of peft."""
RECOMPUTE = ("memory", "speed", "auto")
"""Whether fused operators compute inputs again or keep them; see `scionwood.kernels.enable`."""

COMPILE: Mapping[str, type] = {"mode": str, "backend": str, "dynamic": bool, "fullgraph": bool}
"""The options of `compile:`, which are those of `torch.compile`."""

QUANTIZE, SUBSET = "quantize", "subset"
SHARED: Mapping[str, str] = {"backbone": QUANTIZE, "data": SUBSET}
"""The option of the core that every backbone, and all data, have beside their own."""


def check_keys(where: str, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Refuse what is certainly wrong in a recipe, before any component is imported.

    A key passes if the source of its component does not settle it. The signature of the imported
    component decides then.

    Returns:
        The values of `kernels`, `compile`, `gradient_checkpointing` and `seed`, with defaults.
    """
    refuse_unknown(where, raw, TOP)
    for key, kind in SLOTS.items():
        name, options = name_and_options(where, raw, key)
        more = (SHARED[key],) if key in SHARED else ()
        _check_options(f"{where}: {key}", discovery.reference(kind, name), options, *more)
    _check_adapter(where, raw)
    settings = {
        "kernels": _kernels(where, raw.get("kernels", "auto")),
        "compile": _compiling(where, raw.get("compile", False)),
        "gradient_checkpointing": raw.get("gradient_checkpointing", False),
        "seed": raw.get("seed", 0),
    }
    if not isinstance(value := settings["gradient_checkpointing"], bool):
        rule = "true or false"
        raise RecipeError(f"{where}: gradient_checkpointing {value!r}", rule, "Change it")
    if type(value := settings["seed"]) is not int or not 0 <= value < 2**32:
        rule = "an integer from 0 to 4294967295"
        raise RecipeError(f"{where}: seed {value!r}", rule, "Change it")
    _check_trainer(where, raw)
    return settings


def name_and_options(where: str, raw: Mapping[str, Any], key: str) -> tuple[str, dict[str, Any]]:
    """Return the name and the options of a section such as `task: {name: ..., lr: ...}`."""
    value = raw.get(key)
    options = {"name": value} if isinstance(value, str) else value
    if not isinstance(options, dict) or not isinstance(options.get("name"), str):
        rule = "required, as `{name: ..., option: value}`"
        raise RecipeError(f"{where}: {key}", rule, "See: scionwood plugins")
    return options["name"], {k: v for k, v in options.items() if k != "name"}


def refuse_unknown(where: str, keys: Iterable[str], names: Sequence[str]) -> None:
    """Refuse a key that is not among the names."""
    for key in keys:
        if key in names:
            continue
        remedy = discovery.did_you_mean(str(key), names) or f"Known: {', '.join(names) or 'none'}"
        raise RecipeError(f"{where}: unknown key {key!r}", "every key must be known", remedy)


def _kernels(where: str, value: Any) -> str | dict[str, str]:
    if isinstance(value, dict):
        # An override of `kernels: auto` by `kernels.recompute` adds the name `auto`.
        options = {key: word for key, word in value.items() if (key, word) != ("name", "auto")}
        refuse_unknown(f"{where}: kernels", options, ("recompute",))
        word = options.get("recompute", "auto")
        if word not in RECOMPUTE:
            rule = f"one of {', '.join(RECOMPUTE)}"
            raise RecipeError(f"{where}: kernels.recompute {word!r}", rule, "Change it")
        return {"recompute": str(word)}
    word = "off" if value is False else value  # YAML reads a bare off as false
    if word not in KERNELS:
        rule = "auto or off, or {recompute: memory | speed | auto}"
        raise RecipeError(f"{where}: kernels {value!r}", rule, "Change it")
    return str(word)


def _compiling(where: str, value: Any) -> bool | dict[str, Any]:
    if isinstance(value, bool):
        return value
    if not isinstance(value, dict):
        rule = "true, false, or options of torch.compile"
        raise RecipeError(f"{where}: compile {value!r}", rule, "Such as {mode: max-autotune}")
    refuse_unknown(f"{where}: compile", value, tuple(COMPILE))
    for key, item in value.items():
        if not isinstance(item, COMPILE[key]):
            rule = f"it is a {COMPILE[key].__name__}"
            raise RecipeError(f"{where}: compile.{key} {item!r}", rule, "Change it")
    return value


def _check_options(where: str, reference: str, options: Iterable[str], *more: str) -> None:
    if reference.partition(":")[0] in sys.modules:  # its signature is at hand
        return
    if (names := option_names(reference)) is not None:
        refuse_unknown(where, options, [*names, *more])


def _check_adapter(where: str, raw: Mapping[str, Any]) -> None:
    name, options = name_and_options(where, raw, "adapter")
    if name in BASELINES:
        refuse_unknown(f"{where}: adapter {name}", options, ("targets",))
        return
    if "target_modules" in options:
        rule = "a recipe says `targets`"
        raise RecipeError(f"{where}: adapter.target_modules", rule, "Rename the key")
    if reference := _method(name):
        _check_options(f"{where}: adapter", reference, options, "targets")
    if not isinstance(targets := options.get("targets"), str | None):
        rule = f"a preset's name or a regular expression, not {targets!r}"
        raise RecipeError(f"{where}: adapter.targets", rule, "Join alternatives with |")


def _method(name: str) -> str | None:
    """Return the reference of a method's config class, or None if the source of peft hides it."""
    if "/" not in name:
        methods = peft_methods()
        if methods and name not in methods:
            names = [*methods, *discovery.names_of("adapters")]
            remedy = discovery.did_you_mean(name.lower(), names) or f"Known: {', '.join(names)}"
            rule = "neither peft nor a plugin has this method"
            raise AdapterError(f"adapter method {name!r}", rule, remedy)
        return methods.get(name)
    try:
        return discovery.reference("adapters", name)
    except PluginError as error:
        rule = f"{error.value}: {error.rule}"
        raise AdapterError(f"adapter method {name!r}", rule, error.remedy) from error


def known_options(section: str, name: str) -> tuple[str, ...] | None:
    """Return the options of a component, or `None` if its source does not tell them.

    Args:
        section: `task`, `backbone`, `data` or `adapter`.
        name: the name of the component.
    """
    if section != "adapter":
        names = option_names(discovery.reference(SLOTS[section], name))
        if names is None or section not in SHARED or SHARED[section] in names:
            return names
        return (*names, SHARED[section])
    if name in BASELINES:
        return ()
    reference = _method(name)
    return ("targets", *(option_names(reference) or ())) if reference else None


def _check_trainer(where: str, raw: Mapping[str, Any]) -> None:
    from scionwood.training.options import check_trainer

    section = raw.get("trainer") or {}
    if not isinstance(section, Mapping):
        rule = "a mapping of options of lightning.Trainer"
        raise RecipeError(f"{where}: trainer {section!r}", rule, "See: scionwood recipe NAME")
    try:
        check_trainer(section)
    except RecipeError as error:
        raise RecipeError(f"{where}: {error.value}", error.rule, error.remedy) from error


def change(where: str, raw: dict[str, Any], pairs: Iterable[tuple[str, Any]]) -> None:
    """Set keys of a recipe in place.

    Another name of a component comes first, whatever the order. It drops the options of the recipe
    that the new component does not have, and a warning lists them. Other keys that it does not have
    stay, and are refused later.
    """
    changes = list(pairs)
    for key, value in changes:
        if key in _NAMES:
            _rename(where, raw, _NAMES[key], value)
    for key, value in changes:
        set_dotted(raw, key, value)


def _rename(where: str, raw: dict[str, Any], section: str, name: Any) -> None:
    old = raw.get(section)
    if not isinstance(old, dict) or not isinstance(name, str) or old.get("name") == name:
        return
    option_names = known_options(section, name)
    if option_names is None:  # its source does not tell
        return
    dropped = [key for key in old if key not in ("name", *option_names)]
    raw[section] = {key: value for key, value in old.items() if key not in dropped}
    if dropped:
        text = "%s: %s %s has no option %s, which %s of the recipe has: left out"
        _log.warning(text, where, section, name, ", ".join(dropped), old.get("name"))
