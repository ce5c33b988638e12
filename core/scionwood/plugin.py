"""The contract of a plugin: a frozen record of names and of where to find what they name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

API = 1
"""The version of this contract; it grows only when a plugin would have to change."""

GROUP = "scionwood.plugins"
"""The entry-point group: the entry point's name is the plugin's, its value a `Plugin`."""

KINDS: Mapping[str, str] = {
    "backbones": "backbone",
    "readers": "reader",
    "data": "data",
    "tasks": "task",
    "adapters": "adapter method",
    "commands": "command",
}
"""The kinds of component, and the word for one of each."""


@dataclass(frozen=True)
class Plugin:
    """What a distribution adds, as `name -> "module:attribute"`; making it imports nothing.

    Positional parameters of a component are injected by the core; keyword-only parameters are its
    configuration, so that the signature is the schema and the docstring the help.

    Attributes:
        name: the plugin's name, equal to its entry point's; components are `name/component`.
        summary: one line for `scionwood plugins`.
        api: the contract that the plugin was written for.
        backbones: `(*, ...) -> nn.Module` with `adapter_targets`; small and offline by default.
        readers: subclasses of `scionwood.Reader`.
        data: `(*, ...) -> LightningDataModule`; one of them needs no download.
        tasks: `(backbone, *, ...) -> scionwood.Task`.
        adapters: a `peft.PeftConfig` subclass that carries its tuner class.
        commands: functions whose signature is the command line of `scionwood <plugin> <command>`.
        recipes: the package that holds the recipes (`*.yaml`).
        rooms: the folders of the field's own world at the package's root, such as `("synth",)`;
            the other rooms have the names of the plan in `docs/architecture.md`.
    """

    name: str
    summary: str = ""
    api: int = API
    backbones: Mapping[str, str] = field(default_factory=dict)
    readers: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    tasks: Mapping[str, str] = field(default_factory=dict)
    adapters: Mapping[str, str] = field(default_factory=dict)
    commands: Mapping[str, str] = field(default_factory=dict)
    recipes: str | None = None
    rooms: tuple[str, ...] = ()

    def components(self) -> list[tuple[str, str, str]]:
        """Every component as `(kind, name, "module:attribute")`."""
        return [(kind, name, ref) for kind in KINDS for name, ref in getattr(self, kind).items()]
