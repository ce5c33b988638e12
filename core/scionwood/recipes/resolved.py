"""A recipe whose names are resolved and whose options are valid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from enum import Enum
from typing import Any

import yaml

from scionwood.errors import RecipeError
from scionwood.files.terminal import Cell, html_table


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
        """Call the component with the positional arguments of the core and with its options.

        An option that names a base, as `base:plugin/name`, gets the place of its files.
        """
        if self.component is None:
            raise RecipeError(f"adapter {self.name!r}", "a baseline has nothing to build")
        from scionwood.pretrained.place import localised

        options = {key: localised(value) for key, value in self.options.items()}
        return self.component(*injected, **options)

    def __repr__(self) -> str:
        """Return the name and how many options there are; `options` has their values."""
        count = len(self.options)
        return f"Slot({self.name!r}, {count} option{'' if count == 1 else 's'})"

    def _repr_html_(self) -> str:
        rows = [(key, str(value)) for key, value in self.options.items()]
        return html_table(("option", "value"), rows, title=self.name)


@dataclass(frozen=True, repr=False)
class Recipe:
    """A recipe whose names are resolved and whose options are valid.

    Attributes:
        name: `plugin/recipe`, or the name of the file.
        task: the task with its options.
        backbone: the backbone with its options.
        data: the data with their options.
        adapter: the adapter method with its options and targets, or a baseline.
        kernels: `auto`, `off`, or `{"recompute": ...}`.
        trainer: the options of the trainer.
        seed: the seed of all random numbers.
        compile: whether to compile the repeated blocks, or the options of `torch.compile`.
        gradient_checkpointing: whether blocks are computed again in the backward pass.

    Example:
        >>> recipe = scionwood.resolve("seismic/denoise", {"seed": 3})
        >>> isinstance(recipe, authoring.Recipe), recipe.seed
        (True, 3)
    """

    name: str
    task: Slot
    backbone: Slot
    data: Slot
    adapter: Slot
    kernels: str | Mapping[str, str]
    trainer: Mapping[str, Any]
    seed: int
    compile: bool | Mapping[str, Any] = False
    gradient_checkpointing: bool = False

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
        rows += [("trainer", "", trainer), ("kernels", str(self.kernels), "")]
        rows += [(key, str(value), "") for key, value in self._blocks().items()]
        rows += [("seed", self.seed, "")]
        return html_table(("section", "name", "options"), rows, title=f"recipe {self.name}")

    def _slots(self) -> dict[str, Slot]:
        return {key: getattr(self, key) for key in ("task", "backbone", "adapter", "data")}

    def _blocks(self) -> dict[str, Any]:
        checkpointing = {"gradient_checkpointing": self.gradient_checkpointing}
        return {"compile": _plain(self.compile), **checkpointing}

    def dump(self) -> str:
        """Return the recipe as YAML with every default, so that a run can be repeated.

        The defaults of an adapter are in `adapter_config.json`, where peft writes them.
        """
        slots = self._slots().items()
        out = {key: {"name": slot.name, **_plain(slot.options)} for key, slot in slots}
        trainer = {"trainer": _plain(self.trainer), "seed": self.seed}
        tail = {"kernels": _plain(self.kernels), **self._blocks(), **trainer}
        return yaml.safe_dump({**out, **tail}, sort_keys=False, allow_unicode=True)


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
