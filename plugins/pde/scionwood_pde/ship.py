"""Train the runs that this plugin ships: `python -m scionwood_pde.ship NAME [FOLDER]`.

NAME is `burgers`, the run that `rollout` uses by default, or `dynamics`, an adapter on Tadpole.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from scionwood import RecipeError, resolve, test
from scionwood.authoring import Origin
from scionwood_kit import ship


class Shipped(NamedTuple):
    """A run that the plugin ships: its recipe, where it holds, and what differs in the recipe."""

    recipe: str
    scope: str
    overrides: tuple[str, ...] = ()


RUNS: Mapping[str, Shipped] = {
    "burgers": Shipped(
        "pde/dynamics_skill",
        "Burgers' equation on 32^3 periodic points, diffusivity 0.005 to 0.02",
        (
            "task.shifts=[x, y, z]",
            "backbone.solenoidal=[]",
            "backbone.forced_axis=null",
            "data.equation=burgers",
            "data.parameters={}",
            "data.interval=1.0",
            "data.substeps=2",
            "data.skip=0",
            "data.n_frames=21",
            "data.n_train=16",
            "data.n_val=4",
        ),
    ),
    "dynamics": Shipped(
        "pde/dynamics", "Burgers' equation on 32^3 periodic points, diffusivity near 0.01"
    ),
}


def folder_of(name: str) -> Path:
    """Return the folder in the package of a run that it ships.

    Raises:
        RecipeError: the package ships no run of this name.
    """
    if name not in RUNS:
        rule = f"the plugin ships {', '.join(RUNS)}"
        raise RecipeError(f"run {name!r}", rule, "Choose one of these")
    return Path(__file__).parent / "runs" / name


def train(name: str, target: Path | None = None) -> Origin:
    """Train by the recipe on one thread, and write the run as the package carries it.

    Args:
        name: a name of `RUNS`.
        target: the folder of the run, which is replaced. `None` means that of the package.

    Returns:
        The origin of the run, with its score and its digest.

    Raises:
        RecipeError: the package ships no run of this name.
    """
    folder, run = folder_of(name), RUNS[name]
    return ship(
        run.recipe,
        folder if target is None else target,
        name=f"pde/{name}",
        version=version("scionwood-pde"),
        scope=run.scope,
        score=score,
        overrides=run.overrides,
    )


def score(run: Path) -> str:
    """Measure a run on 16 trajectories that neither training nor validation has.

    Args:
        run: the run folder.

    Returns:
        The VRMSE of the next state, that of persistence, which predicts no change, and that of the
        best linear filter, which was fitted on the training split.
    """
    values = test(run, resolve(run / "recipe.yaml", ["data.n_test=16"]))
    run_error, persistence = values["test_vrmse"], values["test_vrmse_persistence"]
    best = min(value for name, value in values.items() if name.startswith("test_vrmse_"))
    return (
        f"VRMSE of the next state {run_error:.3f}, persistence {persistence:.3f}, "
        f"best linear filter {best:.3f}"
    )


if __name__ == "__main__":
    print(train(sys.argv[1], *map(Path, sys.argv[2:3])))
