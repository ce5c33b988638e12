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
    """Adapters of two or more runs on one base, which is loaded once for each method.

    Two methods, such as lora and ia3, differ more where both know little. Runs without an
    adapter or with another base are refused.
    """

    def __init__(self, runs: Sequence[str | Path]) -> None:
        folders = list(dict.fromkeys(scionwood.find_run(run) for run in runs))
        if len(folders) < 2:
            remedy = "Train the recipe with two or more seeds"
            raise RecipeError(f"committee of {len(folders)}", "two runs can differ", remedy)
        models: dict[str, Any] = {}
        self.members: list[tuple[Any, str]] = []
        bases: list[Any] = []
        for folder in folders:
            recipe = scionwood.resolve(folder / "recipe.yaml")
            method, name = recipe.adapter.name, f"run{len(bases)}"
            bases.append((recipe.backbone.name, dict(recipe.backbone.options)))
            if recipe.adapter.component is None:
                rule = f"it has no adapter, but trains by {method}"
                raise RecipeError(f"run {folder}", rule, "Use runs of lora or ia3")
            if bases[-1] != bases[0]:
                rule = f"its base is {bases[-1]}, and that of {folders[0]} is {bases[0]}"
                raise RecipeError(f"run {folder}", rule, "A committee has one base")
            base = models[method] if method in models else recipe.backbone.build()
            models[method] = scionwood.load_adapter(base, folder / "adapter", name=name)
            self.members.append((models[method], name))

    def graph(self, atoms: object) -> Graph:
        """Return the graph of one structure for the base."""
        graph: Graph = self.members[0][0].graph(atoms)
        return graph

    def forces(self, graphs: Sequence[Graph]) -> list[np.ndarray]:
        """Return the forces of each structure, (run, atom, 3), eV/A."""
        forces = []
        for model, name in self.members:
            model.set_adapter(name)
            forces.append(predictions(model.requires_grad_(False).eval(), graphs).forces)
        return [np.stack(one) for one in zip(*forces, strict=True)]


def spreads(forces: np.ndarray) -> np.ndarray:
    """Return how far the force on each atom lies from the mean of (run, atom, 3), (atom,), eV/A."""
    return np.asarray(np.sqrt(np.square(forces - forces.mean(0)).sum(2).mean(0)))
