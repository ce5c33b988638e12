"""Runs of different seeds on one base: where their forces differ, they know little."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import numpy as np

import scionwood
from scionwood import RecipeError
from scionwood_atoms.model.graph import Graph
from scionwood_atoms.model.potential import predictions


@final
class Committee:
    """Adapters of several runs on one base, which is loaded once.

    Args:
        runs: two or more runs whose recipes have the same backbone and an adapter.

    Raises:
        TrainingError: one is not a finished run.
        RecipeError: there are fewer than two, they have different bases, or one has no adapter.
    """

    def __init__(self, runs: Sequence[str | Path]) -> None:
        folders = [scionwood.find_run(run) for run in runs]
        if len(set(folders)) < 2:
            remedy = "Train the recipe with two or more seeds"
            raise RecipeError(f"committee of {len(set(folders))}", "two runs can differ", remedy)
        self.model: Any = None
        first = None
        for at, folder in enumerate(folders):
            recipe = scionwood.resolve(folder / "recipe.yaml")
            base = (recipe.backbone.name, recipe.backbone.options)
            if recipe.adapter.component is None:
                rule = f"it has no adapter, but trains by {recipe.adapter.name}"
                raise RecipeError(f"run {folder}", rule, "Use runs of lora or ia3")
            if first is None:
                first, self.model = base, recipe.backbone.build()
            if base != first:
                rule = f"its base is {base}, and that of {folders[0]} is {first}"
                raise RecipeError(f"run {folder}", rule, "A committee has one base")
            self.model = scionwood.load_adapter(self.model, folder / "adapter", name=f"run{at}")
        self.names = [f"run{at}" for at in range(len(folders))]
        self.model.requires_grad_(False).eval()

    def graph(self, atoms: object) -> Graph:
        """Return the graph of one structure for the base."""
        graph: Graph = self.model.graph(atoms)
        return graph

    def forces(self, graphs: Sequence[Graph]) -> list[np.ndarray]:
        """Return the forces of each structure, (run, atom, 3), eV/A.

        Args:
            graphs: a graph of each structure.
        """
        found = []
        for name in self.names:
            self.model.set_adapter(name)
            found.append(predictions(self.model, graphs).forces)
        return [np.stack(forces) for forces in zip(*found, strict=True)]


def spread(forces: np.ndarray) -> float:
    """Return the root mean square of the difference from the mean force, eV/A.

    Args:
        forces: (run, atom, 3), eV/A.

    Example:
        >>> spread(np.array([[[1.0, 0.0, 0.0]], [[-1.0, 0.0, 0.0]]])).__round__(4)
        0.5774
    """
    return float(np.sqrt(np.square(forces - forces.mean(0)).mean()))


def largest_spread(forces: np.ndarray) -> tuple[float, int]:
    """Return the largest spread of the force of an atom, eV/A, and the atom.

    Args:
        forces: (run, atom, 3), eV/A.
    """
    by_atom = np.sqrt(np.square(forces - forces.mean(0)).sum(2).mean(0))
    return float(by_atom.max()), int(by_atom.argmax())
