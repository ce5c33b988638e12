"""Components that a recipe chooses by name: `cosine`, or with options `{name: cosine, floor: 0.1}`.

A name is one of `scionwood.training.builtin_components`, or that of a plugin's component. Parsing
and checking import nothing heavy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Self, TypeAlias, final

from scionwood.errors import RecipeError
from scionwood.plugins import discovery
from scionwood.plugins.discovery import did_you_mean
from scionwood.recipes.signatures import option_names
from scionwood.training.builtin_components import (
    KINDS_OF,
    REFUSED_NAMES,
    TABLES,
    Builtin,
)

Choice: TypeAlias = str | dict[str, Any]
"""A name, or a mapping of `name` and options."""


@final
@dataclass(frozen=True)
class NamedComponent:
    """What a key of a recipe chooses.

    Attributes:
        key: the key of the recipe, one of `builtin_components.TABLES`, such as `task.schedule`.
        name: the name.
        options: the options.
    """

    key: str
    name: str
    options: Mapping[str, Any]

    @classmethod
    def parse(cls, key: str, entry: Any) -> Self:
        """Read what a recipe says."""
        options = {"name": entry} if isinstance(entry, str) else entry
        if not isinstance(options, Mapping) or not isinstance(options.get("name"), str):
            rule = "a name, or {name: ..., option: value}"
            raise RecipeError(f"{key}: {entry!r}", rule, f"For example {next(iter(TABLES[key]))}")
        return cls(key, options["name"], {k: v for k, v in options.items() if k != "name"})

    @property
    def is_of_plugin(self) -> bool:
        """Whether a plugin brings the component."""
        return "/" in self.name

    def find(self) -> Builtin | None:
        """Return what the name stands for; None for a name that Lightning knows itself.

        Raises:
            RecipeError: nothing has that name, or the core refuses it; the message has the reason.
            PluginError: the plugin is missing or broken, or does not have the component.
        """
        key, name = self.key, self.name
        if name in TABLES[key]:
            return TABLES[key][name]
        if name in REFUSED_NAMES.get(key, {}):
            rule, remedy = REFUSED_NAMES[key][name]
            raise RecipeError(f"{key}: {name!r}", rule, remedy)
        kind = KINDS_OF.get(key)
        if kind and self.is_of_plugin:
            return Builtin(discovery.reference(kind, name))
        names = [*TABLES[key], *(discovery.names_of(kind) if kind else ())]
        remedy = did_you_mean(name, names) or f"Known: {', '.join(names)}"
        word = key.rpartition(".")[2].removesuffix("s")
        raise RecipeError(f"{key}: {name!r}", f"no {word} has this name", remedy)

    def known_options(self) -> tuple[str, ...] | None:
        """Return the sorted names of the options; `None` if the source does not tell them."""
        component = self.find()
        names = component.options if component else ()
        if component and names is None:
            names = option_names(component.reference)
        return None if names is None else tuple(sorted(names))

    def check(self) -> Builtin | None:
        """Refuse an unknown name or option.

        Returns:
            What the name stands for, as `find`.
        """
        component = self.find()
        allowed = self.known_options()
        for option in self.options:
            if allowed is None or option in allowed:
                continue
            offered = f"Known: {', '.join(allowed)}" if allowed else "It takes none"
            near = did_you_mean(option, allowed) or offered
            raise RecipeError(f"{self.key}: {self.name}", f"it has no option {option!r}", near)
        return component

    def load(self) -> Any:
        """Import the class or function; the bare name if Lightning knows it itself."""
        component = self.find()
        if component is None:
            return self.name
        module, _, attribute = component.reference.partition(":")
        return getattr(import_module(module), attribute)

    def build(self, *injected: Any, **defaults: Any) -> Any:
        """Call the class or function with the options.

        Args:
            injected: positional arguments of the core.
            defaults: options that the recipe may replace.

        Raises:
            RecipeError: it refuses a value.
        """
        from lightning.fabric.utilities.exceptions import MisconfigurationException

        component = self.load()
        if component == self.name:
            return component
        try:
            return component(*injected, **{**defaults, **self.options})
        except (ValueError, TypeError, AssertionError, MisconfigurationException) as error:
            raise RecipeError(
                f"{self.key}: {self.name}", str(error), "Change its options"
            ) from error
