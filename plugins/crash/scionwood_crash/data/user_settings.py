"""Read a run with what the file, its settings and the user state of the impact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, final

from scionwood import ReadError, resolve
from scionwood_crash.parts.carried import at_rest
from scionwood_crash.parts.cells import with_cells, with_links
from scionwood_crash.parts.mesh import CrashSeries
from scionwood_crash.parts.options import AimOptions, Hold, PredictOptions
from scionwood_crash.parts.part import Part
from scionwood_crash.parts.plausibility import check_clamps, check_numbers, check_whole
from scionwood_crash.parts.quantities import QUANTITIES, UNITS, Settings
from scionwood_crash.parts.series import Setup, factors, from_series, run_name
from scionwood_crash.parts.units import Units
from scionwood_crash.readers import open_series
from scionwood_crash.readers.globals_json import read_features

NEEDED = {
    "direction": "impactor_direction_x",
    "speed": "impactor_speed",
    "mass": "impactor_mass",
    "yield_stress": "material_yield_stress",
    "impactor": "impactor_cylinder",
    "radius": "impactor_radius",
}
"""Our own name by the option that states it for all runs."""
_EXAMPLES = {
    "direction": "[0, 0, -1]",
    "impactor": "cylinder",
    "speed": "7.0",
    "mass": "25.0",
    "radius": "90.0",
    "yield_stress": "0.35",
}


@final
@dataclass(frozen=True)
class RunSettings(AimOptions):
    """What the user states for all runs.

    Attributes:
        mesh: the file with the shells of runs that hold none, or the deck with the welds, ties
            and the impact of runs that have shells; `{run}` stands for their name.
        held: which nodes are clamped; see `clamped` of `scionwood_crash.parts.impact.Setup`.
        settings: meaning of the keys of a run.
    """

    mesh: str | None = None
    held: Hold = "field"
    settings: Settings = field(default_factory=Settings)

    @classmethod
    def of(cls, options: PredictOptions, recipe: RunSettings) -> RunSettings:
        """Return what the options of a prediction state, and for the others what a recipe does."""
        values = {option.name: getattr(options, option.name) for option in fields(AimOptions)}
        meaning = Settings(options.settings or {})
        return cls(**values, held=options.clamped or recipe.held, settings=meaning).over(recipe)

    def setup(self, duration: float = 10.0) -> Setup:
        """Return the impact for files; what is not stated has the defaults of `Setup`."""
        plain = Setup()
        return Setup(
            self.direction or plain.direction,
            self.impactor or plain.kind,
            plain.speed if self.speed is None else self.speed,
            plain.mass if self.mass is None else self.mass,
            plain.radius if self.radius is None else self.radius,
            plain.yield_stress if self.yield_stress is None else self.yield_stress,
            duration,
            self.held,
            self.point,
        )

    def over(self, other: RunSettings) -> RunSettings:
        """Return what is stated here, and for the others what another states."""
        values = {setting.name: getattr(self, setting.name) for setting in fields(self)}
        values = {name: value for name, value in values.items() if value is not None}
        values["settings"] = self.settings if self.settings.meanings else other.settings
        return replace(other, **values)

    def missing(self, numbers: Mapping[str, float]) -> list[str]:
        """Return the options that neither the user nor a run states; a radius implies a cylinder.

        Args:
            numbers: those of the run under our own names.
        """
        plane = self.impactor == "plane" or numbers.get("impactor_cylinder", 1.0) < 0.5
        round_ = self.radius is not None or "impactor_radius" in numbers
        needless = {"radius"} if plane else {"impactor"} if round_ else set()
        return [
            name
            for name, key in NEEDED.items()
            if name not in needless and key not in numbers and getattr(self, name) is None
        ]


def open_run(path: Path, user: RunSettings) -> CrashSeries:
    """Open a run; shells without thickness get that of the run's settings, or that of the user.

    The file of its mesh, if the user names one, gives the shells of a run that has none, and the
    welds and ties of a run that has shells and a history.

    Raises:
        ReadError: the file is damaged, shells have no thickness, or the mesh is another one.
    """
    units = factors(Units() if user.units is None else Units.parse(user.units))
    numbers, _ = user.settings.stated(read_features(path), units)
    thickness = numbers.get("shell_thickness", user.thickness)
    series = open_series(path, units=user.units, thickness=thickness)
    bare = not len(series.mesh.cells) and series.mesh.edges is not None
    if not bare and (user.mesh is None or len(series) < 2):
        return series  # a deck states its own welds
    if user.mesh is None:
        rule = "it holds nodes and edges, and no shells"
        remedy = "Name the files of the meshes: mesh: decks/{run}.k (--mesh of inspect)"
        raise ReadError(str(path), rule, remedy)
    mesh = user.mesh.replace("{run}", run_name(path))
    other = open_series(mesh, units=user.units, thickness=thickness)
    return with_cells(series, other.mesh) if bare else with_links(series, other)


def read_run(path: Path, user: RunSettings) -> Part:
    """Read a run as a part, and check that its numbers can be right.

    Raises:
        ReadError: the file is damaged, has a single state, or states too little; its clamped nodes
            move; a shell is deleted; or a number cannot be right in the stated units.
    """
    return plausible_part(open_history(path, user), user)


def open_history(path: Path, user: RunSettings) -> CrashSeries:
    """Open a run that a network can learn from.

    Raises:
        ReadError: the file is damaged, has a single state, or states too little; or a shell is
            deleted.
    """
    series = open_run(path, user)
    if len(series) < 2:
        raise ReadError(str(path), "it holds a single state, not a history", "Leave it out")
    refuse_gaps(series, user)
    check_whole(series)
    return at_rest(series)


def plausible_part(series: CrashSeries, user: RunSettings) -> Part:
    """Return a run as a part whose numbers can be right.

    Raises:
        ReadError: clamped nodes move, or a number cannot be right in the stated units.
    """
    part = from_series(series, user.setup(), settings=user.settings)
    check_numbers(part)
    check_clamps(part)
    return part


def data_of(run: Path) -> tuple[str, Mapping[str, Any]]:
    """Return the name and the options of the data of a run; a recipe is read again if it changed.

    Args:
        run: the folder of a finished run.
    """
    file = run / "recipe.yaml"
    return _read(file.absolute(), file.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _read(file: Path, changed: int) -> tuple[str, Mapping[str, Any]]:
    data = resolve(file).data
    return data.name, data.options


def settings_of(data: str, options: Mapping[str, Any]) -> RunSettings:
    """Return what the data of a recipe state for files; nothing, if they are other data."""
    if data != "crash/files":
        return RunSettings()
    setting_names = {setting.name for setting in fields(RunSettings)} - {"settings"}
    values = {name: value for name, value in options.items() if name in setting_names}
    return RunSettings(**values, settings=Settings(options["settings"] or {}))


def defaults_used(series: CrashSeries, user: RunSettings) -> list[str]:
    """Return sentences on the numbers that a prediction takes from the defaults of `Setup`."""
    numbers, _ = user.settings.stated(series.features, factors(series.mesh.units))
    setup = user.setup()
    values = {
        "direction": " ".join(f"{value:g}" for value in setup.direction),
        "speed": f"{setup.speed:g} m/s",
        "mass": f"{setup.mass:g} kg",
        "yield_stress": f"{setup.yield_stress:g} GPa",
        "impactor": setup.kind,
        "radius": f"{setup.radius:g} mm",
    }
    out = [f"{name} {values[name]}" for name in user.missing(numbers)]
    return out if series.mesh.units.known else [*out, "units mm, ms, kg"]


def refuse_gaps(series: CrashSeries, user: RunSettings) -> None:
    """Ask by name for what neither a run nor the user states.

    Raises:
        ReadError: something is missing.
    """
    numbers, extra = user.settings.stated(series.features, factors(series.mesh.units))
    missing = user.missing(numbers)
    if not missing:
        return
    rule = f"neither the run nor the recipe states: {', '.join(missing)}"
    if extra:
        rule += f"; the run has the further keys {', '.join(extra)}"
    matching = [key for key in extra if key in QUANTITIES]
    key, quantity = (
        (matching[0], matching[0]) if matching else (next(iter(extra), "KEY"), missing[-1])
    )
    unit = next(iter(UNITS[QUANTITIES[quantity][1]])) if quantity in QUANTITIES else "UNIT"
    example = f"{{{key}: {quantity} {unit}}}"
    remedy = f"Say what a key means, settings: {example}, or state it for all runs, "
    remedy += f"{missing[0]}: {_EXAMPLES[missing[0]]}"
    raise ReadError(str(series.path or "run"), rule, remedy)
