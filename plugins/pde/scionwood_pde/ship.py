"""Train the run that this plugin ships: `python -m scionwood_pde.ship [FOLDER]`."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

from scionwood import Origin, resolve, ship, test

NAME = "pde/dynamics"
SCOPE = "Burgers' equation on 32^3 periodic points, diffusivity near 0.01"
TARGET = Path(__file__).parent / "runs/dynamics"


def train(target: Path = TARGET) -> Origin:
    """Train by the recipe on one thread, and write the run as the package carries it.

    Args:
        target: the folder of the run, which is replaced.

    Returns:
        The origin of the run, with its score and its digest.
    """
    own = version("scionwood-pde")
    return ship(NAME, target, name=NAME, version=own, scope=SCOPE, score=score)


def score(run: Path) -> str:
    """Measure a run on 16 trajectories that neither training nor validation has.

    Args:
        run: the run folder.

    Returns:
        The VRMSE of the next state, that of persistence, which predicts no change, and that of the
        best linear filter, which was fitted on the training split.
    """
    values = test(run, resolve(run / "recipe.yaml", ["data.n_test=16"]))
    ours, persistence = values["test_vrmse"], values["test_vrmse_persistence"]
    best = min(value for name, value in values.items() if name.startswith("test_vrmse_"))
    return (
        f"VRMSE of the next state {ours:.3f}, persistence {persistence:.3f}, "
        f"best linear filter {best:.3f}"
    )


if __name__ == "__main__":
    print(train(*map(Path, sys.argv[1:2])))
