"""Train the run that this plugin ships: `python -m scionwood_crash.ship [FOLDER]`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scionwood import load_run
from scionwood.authoring import Origin
from scionwood_crash.data.encode import Encoded
from scionwood_crash.data.suite import SuiteParts
from scionwood_crash.evaluation.baselines import Pod
from scionwood_crash.evaluation.metrics import measure
from scionwood_crash.model import SIZES, CrashGraph
from scionwood_crash.model.graph import join
from scionwood_kit import ship

NAME = "crash/transfer_lora"
SCOPE = "simulated bumper beams; not LS-DYNA, and no other family of parts"
TARGET = Path(__file__).parent / "runs/transfer_lora"


def train(target: Path = TARGET) -> Origin:
    """Train by the recipe on one thread, and write the run as the package carries it.

    Args:
        target: the folder of the run, which is replaced.

    Returns:
        The origin of the run, with its score and its digest.
    """
    return ship(
        NAME,
        target,
        name=NAME,
        version=version("scionwood-crash"),
        scope=SCOPE,
        score=score,
        overrides=["data.folder=null"],
    )


def score(run: Path) -> str:
    """Measure a run on bumpers of another seed than those of its training and validation.

    Args:
        run: the run folder.

    Returns:
        The mean Euclidean distance of ten designs in percent of their maximum intrusion, and that
        of the mean of sixteen other simulations.
    """
    data = held_out(n_train=16, n_test=10)
    nodes = len(SIZES["small"].template().levels[0])
    mean = Pod().fit(data.encoded("train"), nodes)
    mean.modes = np.zeros_like(mean.modes)
    error = distance(network(run), data)
    simplest = distance(lambda part: torch.from_numpy(mean.predict(part)).float(), data)
    return f"mean distance {error:.1f} % of the maximum intrusion, mean history {simplest:.1f} %"


def network(run: Path) -> Callable[[Encoded], Tensor]:
    """Return the prediction of a run: displacements of a part, (N, T, 3), in 100 mm."""
    task: Any = load_run(run)

    def predict(part: Encoded) -> Tensor:
        moved: Tensor = task.predict({"graph": alone(part)})[0]
        return moved

    return predict


def held_out(*, n_train: int = 0, n_test: int = 1) -> SuiteParts:
    """Return bumpers of a seed that neither training nor validation uses.

    Args:
        n_train: number of designs for a baseline.
        n_test: number of designs to measure on.
    """
    return SuiteParts(
        families=["bumper"],
        n_train=n_train,
        n_val=0,
        n_test=n_test,
        element_size=12.0,
        size="small",
        seed=1,
    )


@torch.no_grad()
def distance(predict: Callable[[Encoded], Tensor], data: SuiteParts) -> float:
    """Return the mean Euclidean distance of the test parts, percent of the maximum intrusion.

    Args:
        predict: returns the displacements of a part, (N, T, 3), in 100 mm.
        data: the parts.
    """
    shares = [
        measure(predict(part), part.displacement, alone(part))["med_share"]
        for part in data.encoded("test")
    ]
    return float(torch.cat(shares).mean())


def alone(part: Encoded) -> CrashGraph:
    """Return a batch of one part."""
    return join([part.graph], [len(level) for level in SIZES["small"].template().levels])


if __name__ == "__main__":
    print(train(*map(Path, sys.argv[1:2])))
