"""Read a recipe, import the components that it names, and validate their options.

The YAML says which components are needed. Only those are imported, and their signatures are the
schema. Only this module uses jsonargparse.
"""

from __future__ import annotations

import inspect
from argparse import ArgumentError
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

from scionwood.errors import RecipeError
from scionwood.plugins import discovery
from scionwood.recipes.recipe_file import (
    locate,
    read_yaml,
    refuse_classes,
    split_override,
)
from scionwood.recipes.recipe_keys import (
    BASELINES,
    QUANTIZE,
    SHARED,
    SLOTS,
    SUBSET,
    TOP,
    change,
    check_keys,
    name_and_options,
    refuse_unknown,
)
from scionwood.recipes.resolved import Recipe as Recipe
from scionwood.recipes.resolved import Slot as Slot
from scionwood.recipes.signatures import PEFT_OWN

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser


Overrides: TypeAlias = Sequence[str] | Mapping[str, Any]
"""`["task.lr=3e-4"]` as the command line writes them, or `{"task.lr": 3e-4}`."""


def resolve(source: str | Path, overrides: Overrides = (), *, smoke: bool = False) -> Recipe:
    """Read a recipe, import the components that it names, and validate it against them.

    Args:
        source: a YAML file, or the name of a plugin's recipe, `seismic/denoise`.
        overrides: `{"task.lr": 3e-4}`, or `["task.lr=3e-4"]` whose values are YAML, with or
            without leading dashes. Another name of a component drops the options of the recipe
            that it does not have.
        smoke: apply the recipe's own `smoke:` overrides, which make it small.

    Raises:
        RecipeError: the recipe is not valid. The message names the file, the key, and the nearest
            key that exists.
        PluginError: a component's plugin is missing or broken.

    Example:
        >>> recipe = scionwood.resolve("seismic/denoise", ["task.lr=3e-4"], smoke=True)
        >>> recipe.adapter.name, recipe.task.options["lr"]
        ('lora', 0.0003)
    """
    name, path = locate(source)
    raw = read_yaml(path)
    where = name if "/" in name else str(path)
    refuse_unknown(where, raw, TOP)
    small = raw.pop("smoke", None) or {}
    pairs = list(small.items()) if smoke else []
    change(where, raw, pairs)
    change(where, raw, _pairs(overrides))
    return _resolved(name, where, raw)


def override(recipe: Recipe, overrides: Overrides) -> Recipe:
    """Return a recipe with other values for some keys; see `resolve`.

    Args:
        recipe: a recipe, which stays as it is.
        overrides: the keys and their values.

    Raises:
        RecipeError: a key or a value is not valid.
        PluginError: the plugin of a component that an override names is missing or broken.

    Example:
        >>> recipe = scionwood.resolve("pde/dynamics", smoke=True)
        >>> scionwood.override(recipe, {"seed": 3}).seed
        3
    """
    raw = yaml.safe_load(recipe.dump())
    change(recipe.name, raw, _pairs(overrides))
    return _resolved(recipe.name, recipe.name, raw)


def _pairs(overrides: Overrides) -> list[tuple[str, Any]]:
    if isinstance(overrides, Mapping):
        refuse_classes(Path("override"), dict(overrides))
        return list(overrides.items())
    return [split_override(text) for text in overrides]


def _resolved(name: str, where: str, raw: dict[str, Any]) -> Recipe:
    from scionwood.pretrained.catalogue import spread

    spread(where, raw)
    settings = check_keys(where, raw)
    task, backbone, data = (_slot(where, raw, key, kind) for key, kind in SLOTS.items())
    adapter, trainer = _adapter(where, raw), _trainer(where, raw)
    return Recipe(name, task, backbone, data, adapter, trainer=trainer, **settings)


def options_of(component: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return the options of a component: keyword-only parameters, or the fields of a dataclass."""
    parameters = inspect.signature(component).parameters.values()
    if is_dataclass(component):
        return [p for p in parameters if p.name not in PEFT_OWN]
    return [p for p in parameters if p.kind is p.KEYWORD_ONLY]


def validate(
    where: str, component: Callable[..., Any], options: Mapping[str, Any]
) -> dict[str, Any]:
    """Check options against a component's signature, and complete them with its defaults.

    Raises:
        RecipeError: an unknown option, a missing one, or a value of the wrong type.
    """
    refuse_unknown(where, options, [p.name for p in options_of(component)])
    allow_imports(component)
    parser = _options_parser(component)
    try:
        parsed = parser.parse_object({"options": dict(options)})
    except ArgumentError as error:
        message = str(error).replace("Parser key ", "").replace('"options.', '"')
        raise RecipeError(where, message.strip(), "Change it in the recipe") from error
    values = instances(parser, parsed).get("options", {})
    values = values if isinstance(values, dict) else vars(values)
    # jsonargparse sees no defaults behind `**options: Unpack[...]`; the signature has them.
    defaults = {p.name: p.default for p in options_of(component) if p.default is not p.empty}
    values = defaults | values
    if is_dataclass(component):  # its default cannot be a list, and YAML holds nothing else
        values = {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}
    return values


@lru_cache(maxsize=256)
def _options_parser(component: Callable[..., Any]) -> ArgumentParser:
    """Return the parser of a component's options: reading a signature takes longer than parsing."""
    parser = strict_parser(component, exit_on_error=False)
    names = {p.name for p in options_of(component)}
    others: set[str | int] = {p for p in inspect.signature(component).parameters if p not in names}
    if inspect.isclass(component):
        parser.add_class_arguments(component, "options", skip=others, instantiate=False)
    else:
        parser.add_function_arguments(component, "options", skip=others)
    return parser


def strict_parser(component: Callable[..., Any], **settings: Any) -> ArgumentParser:
    """Return a parser for a component's options, which may import almost nothing."""
    from jsonargparse import ArgumentParser

    allow_imports(component)
    return ArgumentParser(**settings)


def allow_imports(component: Callable[..., Any]) -> None:
    """Let values of all parsers name a class only of a component's package or of peft's methods."""
    from jsonargparse import set_parsing_settings

    package = (component.__module__ or "").partition(".")[0]
    set_parsing_settings(
        import_path_denylist=["*"], import_path_allowlist=sorted({package, "peft"})
    )


def instances(parser: ArgumentParser, parsed: Any) -> dict[str, Any]:
    """Return parsed values by name. Nested dataclasses become instances."""
    return dict(vars(parser.instantiate(parsed)))


def _slot(where: str, raw: Mapping[str, Any], key: str, kind: str) -> Slot:
    name, options = name_and_options(where, raw, key)
    component = discovery.load(kind, name)
    shared_options = _resolve_shared(where, key, component, options)
    valid = validate(f"{where}: {key}", component, options)
    chosen = _chosen(where, key, component, valid)
    factory = _shared(key, component) if shared_options else component
    return Slot(name, factory, {**valid, **chosen, **shared_options})


def _resolve_shared(
    where: str, key: str, component: Callable[..., Any], options: dict[str, Any]
) -> dict[str, Any]:
    """Take the core's option of a section out of those of a component that has none of its own."""
    option = SHARED.get(key)
    if option not in options or any(p.name == option for p in options_of(component)):
        return {}
    value = options.pop(option)
    if option == QUANTIZE and value not in ("none", "nf4"):
        rule = f"none or nf4, not {value!r}"
        raise RecipeError(f"{where}: backbone.{QUANTIZE}", rule, "Change it")
    if option == SUBSET and not isinstance(value, str | None):
        rule = f"null, or the folder of a list of examples, not {value!r}"
        raise RecipeError(f"{where}: data.{SUBSET}", rule, "Change it")
    return {option: value}


def _shared(key: str, component: Callable[..., Any]) -> Callable[..., Any]:
    """Return a component with the core's option of its section."""
    if key == "data":
        from scionwood.training.subset import chosen_part as shared
    else:
        from scionwood.training.quantised import quantised as shared

    return shared(component)


def _chosen(
    where: str, key: str, component: Callable[..., Any], options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the options that choose by name, such as `task.optimizer`, checked and completed."""
    from scionwood.training.named_components import Choice

    return {
        p.name: _choice(where, f"{key}.{p.name}", options[p.name])
        for p in options_of(component)
        if p.annotation == Choice
    }


def _choice(where: str, key: str, entry: Any) -> Any:
    """Check a choice by name; a mapping gets the defaults of what it names.

    The classes of torch and Lightning have no options by keyword alone. They check their values
    themselves, when they are built.
    """
    from scionwood.training.named_components import NamedComponent

    try:
        choice = NamedComponent.parse(key, entry)
        component = choice.check()
    except RecipeError as error:
        raise RecipeError(f"{where}: {error.value}", error.rule, error.remedy) from error
    if component is None or not (choice.is_of_plugin or key == "task.schedule"):
        return entry
    name = choice.name
    called = discovery.resolve(name, component.reference)
    valid = validate(f"{where}: {key} {name}", called, dict(choice.options))
    return entry if isinstance(entry, str) else {"name": name, **valid}


def _adapter(where: str, raw: Mapping[str, Any]) -> Slot:
    name, options = name_and_options(where, raw, "adapter")
    if name in BASELINES:
        return Slot(name, None, {"targets": None})
    from scionwood.adapters.methods import config_class

    component = config_class(name)
    refuse_unknown(
        f"{where}: adapter", options, [*(p.name for p in options_of(component)), "targets"]
    )
    targets = options.pop("targets", None)
    values = validate(f"{where}: adapter", component, options)
    # Only what the recipe says, because peft saves its own defaults.
    chosen = {key: value for key, value in values.items() if key in options}
    return Slot(name, component, {"targets": targets, **chosen})


def _trainer(where: str, raw: Mapping[str, Any]) -> dict[str, Any]:
    from scionwood.training.precision import native_precision

    options = dict(raw.get("trainer") or {})
    for key in ("callbacks", "logger"):
        value = options.get(key)
        if isinstance(value, list):
            options[key] = [_choice(where, f"trainer.{key}", entry) for entry in value]
        elif isinstance(value, str | dict):
            options[key] = _choice(where, f"trainer.{key}", value)
    if options.get("precision", "auto") == "auto":
        options["precision"] = native_precision(options.get("accelerator", "auto"))
    return options
