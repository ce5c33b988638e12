"""How far a fit moved a model on crystals that its labels do not show, and at short distances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
from torch import nn

from scionwood_atoms.data.replay import DRIFT, crystals
from scionwood_atoms.model.potential import GPA, predictions, rms

FILE = "drift.json"
"""The file of a run folder with the errors on the validation split and the drift."""

DIMERS = {"O-H at 0.5 A": ("OH", 0.5), "C-C at 0.75 A": ("CC", 0.75)}
"""Two atoms at half a bond length: a potential that pulls them together ends in a collapse."""


@final
class Probe:
    """Twelve crystals and two dimers, with the predictions of a potential before its fit.

    Elements that the potential does not know are left out.
    """

    def __init__(self, potential: nn.Module) -> None:
        from ase import Atoms

        network: Any = potential
        solids = crystals(DRIFT, 12, 5, network.elements)
        pairs = {
            name: Atoms(symbols, [(0, 0, 0), (0, 0, length)], cell=[14] * 3, pbc=True)
            for name, (symbols, length) in DIMERS.items()
        }
        dimers = {name: one for name, one in pairs.items() if network.elements >= {*one.numbers}}
        self.dimers = list(dimers)
        self.count = len(solids)
        self.graphs = [network.graph(one) for one in (*solids, *dimers.values())]
        self.sizes = np.array([len(one) for one in solids])
        self.base = predictions(potential, self.graphs)

    def drift(self, potential: nn.Module) -> dict[str, Any]:
        """Return how far a model is from the predictions before.

        `crystals` has root mean squares of the change of force, meV/A, energy, meV/atom, and
        stress, GPa; `dimers` the forces that push two atoms apart, before and after, eV/A.
        """
        after = predictions(potential, self.graphs)
        solids: dict[str, float] = {"structures": self.count}
        if self.count:
            change = (after.energies - self.base.energies)[: self.count] / self.sizes
            both = after, self.base
            pulls, before = (np.concatenate(one.forces[: self.count]) for one in both)
            tensors = [np.stack(one.stresses[: self.count]) for one in both]
            solids |= {
                "force": 1000 * rms(pulls - before),
                "force_before": 1000 * rms(before),
                "energy": 1000 * rms(change),
                "stress": GPA * rms(tensors[0] - tensors[1]),
            }
        pushes = {
            name: [float(one.forces[self.count + at][1, 2]) for one in (self.base, after)]
            for at, name in enumerate(self.dimers)
        }
        return {"crystals": solids, "dimers": pushes}


def described(card: Mapping[str, Any]) -> str:
    """Return the content of `drift.json` in two lines, and which dimers collapse."""
    units = {"force": "meV/A", "energy": "meV/atom", "stress": "GPa"}

    def line(values: Mapping[str, float | None]) -> str:
        present = {name: values[name] for name in units if values.get(name) is not None}
        return ", ".join(f"{name} {value:.3g} {units[name]}" for name, value in present.items())

    lines = [f"validation: {line(card['validation']) or 'no structures'}"]
    if (solids := card["crystals"]).get("structures"):
        before = f"(forces are {solids['force_before']:.0f} meV/A)"
        lines.append(f"drift on {solids['structures']} other crystals: {line(solids)} {before}")
    for name, (before, after) in card["dimers"].items():
        if after <= 0 < before:
            lines.append(
                f"{name}: the base pushes the atoms apart with {before:.3g} eV/A, and the run "
                f"pulls them together with {-after:.3g}: dynamics may collapse"
            )
    return "\n".join(lines)
