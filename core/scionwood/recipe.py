"""Read a recipe, import the components that it names, and validate their options.

The YAML says which components are needed. Only those are imported, and their signatures are the
schema. Only this module uses jsonargparse.
"""

from __future__ import annotations

import inspect
from argparse import ArgumentError
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from scionwood import discovery
from scionwood.errors import RecipeError
from scionwood.recipe_file import locate, read_yaml, set_dotted, split_override
from scionwood.recipe_keys import (
    BASELINES,
    SLOTS,
    TOP,
    check_keys,
    kernels,
    named,
    refuse_unknown,
    seed,
)
from scionwood.signatures.options import PEFT_OWN
from scionwood.terminal import Cell, html_table

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser


@dataclass(frozen=True, repr=False)
class Slot:
    """One component of a recipe with its validated options.

    Attributes:
        name: `plugin/name`, or a method of peft, or a baseline.
        component: the class or function that builds it; None for a baseline.
        options: all keyword arguments.
    """

    name: str
    component: Callable[..., Any] | None
    options: Mapping[str, Any]

    def build(self, *injected: Any) -> Any:
        """Call the component with the positional arguments of the core and with its options."""
        if self.component is None:
            raise RecipeError(f"adapter {self.name!r}", "a baseline has nothing to build")
        return self.component(*injected, **self.options)

    def __repr__(self) -> str:
        """Return the name and how many options there are; `options` has their values."""
        count = len(self.options)
        return f"Slot({self.name!r}, {count} option{'' if count == 1 else 's'})"

    def _repr_html_(self) -> str:
        rows = [(key, str(value)) for key, value in self.options.items()]
        return html_table(("option", "value"), rows, title=self.name)


@dataclass(frozen=True, repr=False)
class Recipe:
    """A recipe whose names are resolved and whose options are valid."""

    name: str
    task: Slot
    backbone: Slot
    data: Slot
    adapter: Slot
    kernels: str
    trainer: Mapping[str, Any]
    seed: int

    def __repr__(self) -> str:
        """Return the name and the components; `dump` has the options."""
        slots = ", ".join(f"{key}={slot.name!r}" for key, slot in self._slots().items())
        return f"Recipe({self.name!r}, {slots})"

    def _repr_html_(self) -> str:
        rows: list[tuple[Cell, ...]] = [
            (key, slot.name, "\n".join(f"{name}: {value}" for name, value in slot.options.items()))
            for key, slot in self._slots().items()
        ]
        trainer = "\n".join(f"{name}: {value}" for name, value in self.trainer.items())
        rows += [("trainer", "", trainer), ("kernels", self.kernels, ""), ("seed", self.seed, "")]
        return html_table(("section", "name", "options"), rows, title=f"recipe {self.name}")

    def _slots(self) -> dict[str, Slot]:
        return {key: getattr(self, key) for key in ("task", "backbone", "adapter", "data")}

    def dump(self) -> str:
        """Return the recipe as YAML with every default, so that a run can be repeated.

        The defaults of an adapter are in `adapter_config.json`, where peft writes them.
        """
        slots = self._slots().items()
        out = {key: {"name": slot.name, **_plain(slot.options)} for key, slot in slots}
        tail = {"kernels": self.kernels, "trainer": _plain(self.trainer), "seed": self.seed}
        return yaml.safe_dump({**out, **tail}, sort_keys=False, allow_unicode=True)


def resolve(source: str | Path, overrides: Sequence[str] = (), *, smoke: bool = False) -> Recipe:
    """Read a recipe, import the components that it names, and validate it against them.

    Args:
        source: a YAML file, or the name of a plugin's recipe, `seismic/denoise`.
        overrides: `task.lr=3e-4`, with or without leading dashes; values are YAML.
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
    for key, value in [*pairs, *map(split_override, overrides)]:
        set_dotted(raw, key, value)
    check_keys(where, raw)
    slots = {key: _slot(where, raw, key, kind) for key, kind in SLOTS.items()}
    return Recipe(
        name,
        **slots,
        adapter=_adapter(where, raw),
        kernels=kernels(where, raw),
        trainer=_trainer(raw),
        seed=seed(where, raw),
    )


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

    Args:
        where: the place that an error names, such as "denoise.yaml: task".
        component: a class or function.
        options: the options that the recipe gives.

    Returns:
        Every option with its value. For a dataclass of peft only the given options, because peft
        saves its own defaults.

    Raises:
        RecipeError: an unknown option, a missing one, or a value of the wrong type.
    """
    known = [p.name for p in options_of(component)]
    refuse_unknown(where, options, known)
    parser = strict_parser(component, exit_on_error=False)
    others: set[str | int] = {p for p in inspect.signature(component).parameters if p not in known}
    add = (
        parser.add_class_arguments if inspect.isclass(component) else parser.add_function_arguments
    )
    extra = {"instantiate": False} if inspect.isclass(component) else {}
    add(component, "options", skip=others, **extra)
    try:
        parsed = parser.parse_object({"options": dict(options)})
    except ArgumentError as error:
        message = str(error).replace("Parser key ", "").replace('"options.', '"')
        raise RecipeError(where, message.strip(), "Change it in the recipe") from error
    values = instances(parser, parsed).get("options", {})
    values = values if isinstance(values, dict) else vars(values)
    if is_dataclass(component):
        return {key: value for key, value in values.items() if key in options}
    # jsonargparse sees no defaults behind `**options: Unpack[...]`; the signature has them.
    defaults = {p.name: p.default for p in options_of(component) if p.default is not p.empty}
    return defaults | values


def strict_parser(component: Callable[..., Any], **settings: Any) -> ArgumentParser:
    """Return a parser for a component's options, which may import almost nothing.

    A value may name a class only of the component's own package or of peft's configurations.

    Args:
        component: a class or function.
        settings: arguments of the parser of jsonargparse.
    """
    from jsonargparse import ArgumentParser, set_parsing_settings

    own = (component.__module__ or "").partition(".")[0]
    set_parsing_settings(import_path_denylist=["*"], import_path_allowlist=sorted({own, "peft"}))
    return ArgumentParser(**settings)


def instances(parser: ArgumentParser, parsed: Any) -> dict[str, Any]:
    """Return parsed values by name. Nested dataclasses become instances."""
    return dict(vars(parser.instantiate(parsed)))


def _slot(where: str, raw: Mapping[str, Any], key: str, kind: str) -> Slot:
    name, options = named(where, raw, key)
    component = discovery.load(kind, name)
    return Slot(name, component, validate(f"{where}: {key}", component, options))


def _adapter(where: str, raw: Mapping[str, Any]) -> Slot:
    name, options = named(where, raw, "adapter")
    if name in BASELINES:
        return Slot(name, None, {"targets": None})
    from scionwood.adapters.methods import config_class

    component = config_class(name)
    refuse_unknown(
        f"{where}: adapter", options, [*(p.name for p in options_of(component)), "targets"]
    )
    targets = options.pop("targets", None)
    return Slot(
        name, component, {"targets": targets, **validate(f"{where}: adapter", component, options)}
    )


def _trainer(raw: Mapping[str, Any]) -> dict[str, Any]:
    from scionwood.training.precision import native_precision

    options = dict(raw.get("trainer") or {})
    if options.get("precision", "auto") == "auto":
        options["precision"] = native_precision(options.get("accelerator", "auto"))
    return options


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    return value if isinstance(value, str | int | float | bool | None) else str(value)
