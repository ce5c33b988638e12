"""A run as a calculator of ase, in the units and the reference of its labels."""

from __future__ import annotations

import copy
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from ase.calculators.calculator import Calculator, all_changes
from torch import nn

import scionwood
from scionwood import AdapterError
from scionwood_atoms.model.graph import Graph
from scionwood_atoms.model.potential import predictions
from scionwood_atoms.model.reference import OffsetError, Reference
from scionwood_atoms.readers.structure import voigt

LABELS, ISOLATED, BASE = "labels", "isolated atoms", "scale of the base"
"""What an energy stands on: the compositions of the labels, isolated atoms alone, or no label."""


@final
class RunCalculator(Calculator):
    """Energy, forces and stress of a run, in the units of ase.

    The energy is that of the labels: the sum of the reference energies over the atoms is added in
    float64. A composition outside of those of the labels has an energy by its isolated atoms; a
    warning says so once. Unless it is `strict`, `scale` states what an energy stands on.
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012  # as ase

    def __init__(self, potential: nn.Module, reference: Reference, *, strict: bool = True) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.potential, self.reference = copy.deepcopy(potential).eval(), reference
        self.strict, self._warned = strict, False

    def scale(self, composition: Mapping[str, int]) -> tuple[float, str]:
        """Return the reference energy of a composition, eV, and what its energy stands on.

        That is one of `LABELS`, `ISOLATED` and `BASE`; a strict calculator refuses the last.
        """
        try:
            offset = self.reference.of(composition)
        except OffsetError:
            if self.strict:
                raise
            return 0.0, BASE
        return offset, LABELS if self.reference.is_seen(composition) else ISOLATED

    def graph(self, atoms: Any) -> Graph:
        """Return the graph of a structure, or raise `GraphError`."""
        potential: Any = self.potential
        graph: Graph = potential.graph(atoms)
        return graph

    def calculate(
        self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        """Compute all properties of a structure, or raise `OffsetError` or `GraphError`."""
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
        offset, scale = self.scale(Counter(atoms.symbols))
        if self.strict and not self._warned and scale == ISOLATED:
            self._warned = True
            warnings.warn(
                f"{atoms.symbols.get_chemical_formula()}: no label fixes its absolute energy, "
                "which stands on isolated atoms alone; forces do not depend on it",
                stacklevel=2,
            )
        prediction = predictions(self.potential, [self.graph(atoms)])
        energy = float(prediction.energies[0]) + offset
        self.results = {"energy": energy, "free_energy": energy, "forces": prediction.forces[0]}
        if atoms.pbc.all():
            self.results["stress"] = voigt(prediction.stresses[0])


def calculator(run: str | Path, *, strict: bool = True) -> RunCalculator:
    """Return the calculator of a run that was fitted to your labels.

    The adapter is merged into the weights, so that a step costs as much as one of the base.

    Args:
        run: the run folder, or another reference to a run.
        strict: refuse a composition whose energy no label fixes; see `RunCalculator`.

    Raises:
        TrainingError: the folder is not a finished run.
        ReadError: the run has no reference energies, because it was not fitted to `atoms/files`.

    Example:
        >>> from ase.build import molecule
        >>> water = molecule("H2O")
        >>> water.calc = calculator("runs/water")
        >>> water.get_forces().shape
        (3, 3)
    """
    folder = scionwood.find_run(run)
    reference = Reference.read(folder)
    try:
        model = folder.merge()
    except AdapterError:  # a method whose change depends on the input
        model = folder.model
    return RunCalculator(model, reference, strict=strict)
