"""The contract of a plugin: a frozen record of names, and what the core has of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

API = 1
"""The version of this contract. It grows only if plugins have to change."""

GROUP = "scionwood.plugins"
"""The entry-point group. An entry point has the name of the plugin, and its value is a `Plugin`."""

KINDS: Mapping[str, str] = {
    "backbones": "backbone",
    "readers": "reader",
    "data": "data",
    "tasks": "task",
    "adapters": "adapter method",
    "commands": "command",
    "callbacks": "callback",
    "loggers": "logger",
    "optimizers": "optimizer",
    "schedules": "schedule",
    "strategies": "strategy",
    "probes": "behaviour probe",
    "services": "service",
}
"""The kinds of component, each with the word for one component."""


@dataclass(frozen=True, repr=False)
class Plugin:
    """The record of a plugin: its components as `name -> "module:attribute"`.

    Making a record imports nothing. The core passes the positional parameters of a component.
    Keyword-only parameters are its configuration: the signature is the schema, and the docstring
    is the help.

    Attributes:
        name: the name of the plugin and of its entry point; components are `name/component`.
        summary: one line that says what the plugin is for.
        api: the contract that the plugin was written for.
        backbones: `(*, ...) -> nn.Module` with `adapter_targets`; small and offline by default.
        readers: subclasses of `scionwood.Reader`.
        data: `(*, ...) -> LightningDataModule`; one of them needs no download.
        tasks: `(backbone, *, ...) -> scionwood.Task`.
        adapters: a `peft.PeftConfig` subclass that carries its tuner class.
        commands: functions whose signature is the command line of `scionwood <plugin> <command>`.
        callbacks: `(*, ...) -> lightning.pytorch.Callback`, for `trainer.callbacks` of a recipe.
        loggers: `(folder, *, ...) -> lightning.pytorch.loggers.Logger`, which writes into the run
            folder, for `trainer.logger`.
        optimizers: `(groups, backbone, *, ...) -> torch.optim.Optimizer`, for `task.optimizer`.
            Each group has `params`, `lr`, `weight_decay` and `name`.
        schedules: `(step, total, *, ...) -> float`, for `task.schedule`: the share of the learning
            rate after `step` of `total` optimiser steps. Both count from the end of the warm-up,
            and the share at step 0 is 1.
        strategies: `(*, ...) -> lightning.pytorch.strategies.Strategy`, for `trainer.strategy`. One
            that shards may have `empty_backbone(recipe, prepare)` and `shard(task)`.
        probes: `(task, folder) -> list[ProbeResult]` by the name of the task, or of the
            data, that they are for: inputs whose right answer is known beforehand. `folder` is that
            of the run, or None.
        recipes: the package that holds the recipes (`*.yaml`).
        bases: the module whose `BASES` holds records of pretrained weights by name.
        runs: the package that holds finished runs, one folder each; `plugin/name` names them.
        rooms: the folders or modules of the field's own world at the root of the package, such as
            `("synth",)`. The other rooms have the names of the plan in `docs/architecture.md`.
        services: `(loaded, source, out, *, ...) -> Served`, for requests over HTTP.
            `loaded` is a `LoadedRun`, `source` the file of the request, and `out` an
            empty folder for results. Keyword-only parameters are the options of a request.
        parsers: subclasses of `scionwood_kit.Parser`: functions that read files and are no
            readers, with a sample that `scionwood check --fuzz` damages.

    Example:
        >>> tasks = {"forecast": "scionwood_hydrology.tasks:Forecast"}
        >>> plugin = scionwood.Plugin("hydrology", "Predict river levels", tasks=tasks)
        >>> list(plugin.components())
        [('tasks', 'forecast', 'scionwood_hydrology.tasks:Forecast')]
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
    bases: str | None = None
    runs: str | None = None
    rooms: tuple[str, ...] = ()
    callbacks: Mapping[str, str] = field(default_factory=dict)
    loggers: Mapping[str, str] = field(default_factory=dict)
    optimizers: Mapping[str, str] = field(default_factory=dict)
    schedules: Mapping[str, str] = field(default_factory=dict)
    strategies: Mapping[str, str] = field(default_factory=dict)
    parsers: Mapping[str, str] = field(default_factory=dict)
    probes: Mapping[str, str] = field(default_factory=dict)
    services: Mapping[str, str] = field(default_factory=dict)

    def components(self) -> list[tuple[str, str, str]]:
        """Return every component as `(kind, name, "module:attribute")`."""
        return [(kind, name, ref) for kind in KINDS for name, ref in getattr(self, kind).items()]

    def __repr__(self) -> str:
        """Return the name, and how much of each kind the plugin brings."""
        counts = [f"{len(table)} {kind}" for kind in KINDS if (table := getattr(self, kind))]
        return f"Plugin({', '.join([repr(self.name), *counts])})"

    def _repr_html_(self) -> str:
        from scionwood.files.terminal import html_table

        rows = [(kind, ", ".join(table)) for kind in KINDS if (table := getattr(self, kind))]
        return html_table(("kind", "names"), rows, title=f"{self.name}: {self.summary}")


FUNCTIONS: dict[str, str] = {
    "plugins": "scionwood.cli.inspection:plugins",
    "show": "scionwood.cli.inspection:show",
    "recipe": "scionwood.cli.recipes:recipe",
    "fit": "scionwood.cli.recipes:fit",
    "test": "scionwood.cli.recipes:test",
    "pull": "scionwood.cli.runs:pull",
    "runs": "scionwood.cli.runs:runs",
    "verify": "scionwood.cli.runs:verify",
    "completion": "scionwood.cli.completion:completion",
}
"""Commands of the core, as `"module:function"`. The signature of a function is its command line,
and what it returns is the exit code."""


@dataclass(frozen=True)
class ProbeResult:
    """What a model did with an input whose right answer is known beforehand.

    A field's function `(task, folder) -> list[ProbeResult]` runs its probes on a trained task. The
    record of the plugin names it under `probes`, by the name of the task or of the data.

    Attributes:
        name: what was tried, such as `zero travel`.
        value: the measured number.
        unit: its unit, such as `mm`; empty for a share or a ratio.
        most: the largest value that is as it should be.
        least: the smallest value that is as it should be.
        reason: why the limits are what they are, in one sentence.

    Example:
        >>> why = "nothing moves it"
        >>> probe = authoring.ProbeResult("zero travel", 0.2, "mm", most=0.1, reason=why)
        >>> probe.passed
        False
    """

    name: str
    value: float
    unit: str = ""
    most: float = math.inf
    least: float = -math.inf
    reason: str = ""

    @property
    def passed(self) -> bool:
        """Return whether the value lies within the limits; a value that is no number does not."""
        return self.least <= self.value <= self.most

    @property
    def limits(self) -> str:
        """Return the limits as text, such as `at most 0.1`."""
        low = f"at least {self.least:g}" if math.isfinite(self.least) else ""
        high = f"at most {self.most:g}" if math.isfinite(self.most) else ""
        return " and ".join(filter(None, (low, high)))
