"""Parts of the suite, which are simulated before the training."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import final

import numpy as np
from rich.console import Console
from rich.progress import track

from scionwood import RecipeError
from scionwood_crash.data.encode import Coarse
from scionwood_crash.data.parts import Loader, Parts
from scionwood_crash.model import SizeName
from scionwood_crash.parts.part import Part
from scionwood_crash.solver.explicit import Options
from scionwood_crash.solver.run import HOURGLASS, hourglass_share, solve
from scionwood_crash.suite.families import FAMILIES, SINGLE, design
from scionwood_crash.suite.record import SUFFIX, Simulation, to_part
from scionwood_crash.suite.simulate import record

SPLITS = ("train", "val", "test")


@final
class SuiteParts(Parts):
    """Parts of the reduced explicit-shell suite, which are simulated on first use.

    A design depends on seed, family and number, so the splits have different geometries. A design
    whose hourglass energy exceeds 10 % of the internal energy is left out, and named. With a
    folder, existing simulations are read from it, and new ones are stored there.

    Shapes: a batch holds `graph`, a `CrashGraph`, `displacement` (N, T, 3) and `plastic_strain`
        (C, T), float32.

    Units: displacement in 100 mm, in the axes of each part.

    Raises:
        RecipeError: a family is unknown, there is none, or all designs of a split are left out.

    Source: `scionwood_crash.suite`.

    Args:
        families: names of families: hat, bumper, tube and box are single parts; hat_plate,
            hat_plate_loose and bumper_boxes are assemblies, which need `backbone.links: true`.
        n_train: designs of each family for training.
        n_val: designs of each family for validation.
        n_test: designs of each family for the test.
        element_size: size of the elements, mm; `None` means that of the family.
        duration: duration of the simulations, ms; `None` means that of the family.
        frames: number of states of each history.
        folder: folder for simulations; `None` keeps them in memory only.
        seed: seed of the designs.
    """

    def __init__(
        self,
        *,
        families: Sequence[str] = SINGLE,
        n_train: int = 40,
        n_val: int = 5,
        n_test: int = 5,
        element_size: float | None = None,
        duration: float | None = None,
        frames: int = 21,
        folder: Path | None = None,
        size: SizeName = "tiny",
        neighbours: int = 4,
        coarse: Coarse = "morph",
        batch_size: int = 4,
        loader: Loader = "own",
        max_nodes: None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(size, neighbours, coarse, batch_size)
        unknown = sorted(set(families) - set(FAMILIES))
        if unknown or not families:
            rule = f"at least one of {', '.join(FAMILIES)}, and no other"
            raise RecipeError(f"families: {list(families)}", rule, "Correct the name")
        self.families, self.seed = tuple(families), seed
        self.counts = dict(zip(SPLITS, (n_train, n_val, n_test), strict=True))
        self.element_size, self.duration, self.frames = element_size, duration, frames
        self.folder = None if folder is None else Path(folder)
        self._parts: dict[str, list[Part]] = {}

    def parts(self, split: str) -> list[Part]:
        """Return the parts of a split, ordered by family."""
        if split not in self._parts:
            first = sum(self.counts[name] for name in SPLITS[: SPLITS.index(split)])
            numbers = range(first, first + self.counts[split])
            designs = [(family, number) for family in self.families for number in numbers]
            progress = track(
                designs,
                f"simulating {split}",
                console=Console(stderr=True),
                disable=self._stored(designs),
            )
            simulations = [self._simulation(*design) for design in progress]
            self._parts[split] = [
                to_part(simulation) for simulation in simulations if self._trusted(simulation)
            ]
            if simulations and not self._parts[split]:
                rule = f"the hourglass energy exceeds {HOURGLASS:.0%} of the internal energy in all"
                raise RecipeError(f"designs of {split}", rule, "Lower data.element_size")
        return self._parts[split]

    def _trusted(self, simulation: Simulation) -> bool:
        """Return whether the hourglass energy is small; a shortened simulation is a trial."""
        share = hourglass_share(simulation.energy)
        if self.duration is not None or share <= HOURGLASS:
            return True
        name = f"{simulation.family} {simulation.index} of seed {simulation.seed}"
        print(f"{name} is left out: hourglass energy {share:.0%} of the internal", file=sys.stderr)
        return False

    def _stored(self, designs: list[tuple[str, int]]) -> bool:
        return all((path := self._path(*design)) and path.is_file() for design in designs)

    def _simulation(self, family: str, number: int) -> Simulation:
        path = self._path(family, number)
        if path is not None and path.is_file():
            return Simulation.load(path)
        simulation = self._run(family, number)
        if path is not None:
            simulation.save(path)
        return simulation

    def _run(self, family: str, number: int) -> Simulation:
        chosen = design(family, self.seed, number)
        if self.element_size is not None:
            random = np.random.default_rng([self.seed, list(FAMILIES).index(family), number])
            chosen = FAMILIES[family](random, self.element_size)  # type: ignore[call-arg]
        chosen = chosen if self.duration is None else replace(chosen, duration=self.duration)
        options = Options(friction=chosen.impactor.friction)
        result = solve(
            chosen.shell,
            chosen.impactor,
            duration=chosen.duration,
            n_frames=self.frames,
            options=options,
        )
        return record(family, self.seed, number, chosen, result)

    def _path(self, family: str, number: int) -> Path | None:
        if self.folder is None:
            return None
        options = [self.element_size, self.duration, self.frames]
        name = (
            f"{number:04d}"
            if options == [None, None, 21]
            else "-".join(map(str, [number, *options]))
        )
        return self.folder / f"seed{self.seed}" / family / f"{name}{SUFFIX}"
