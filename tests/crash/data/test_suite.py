"""Parts of the suite: unequal meshes, simulations kept in a folder, unknown families."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scionwood import RecipeError
from scionwood_crash.data.suite import SuiteParts


def test_a_batch_joins_parts_of_unequal_meshes(batch: dict) -> None:
    graph = batch["graph"]
    assert len(graph.condition) == 4
    counts = torch.bincount(graph.batch)
    assert len(counts.unique()) > 1
    assert batch["displacement"].shape == (int(counts.sum()), 3, 3)
    assert batch["plastic_strain"].shape == (len(graph.cells), 3)
    assert not batch["displacement"][:, 0].any()
    assert batch["displacement"][:, -1].abs().max() > 0.005, "half a millimetre at least"


def test_reads_simulations_that_the_folder_holds(suite: SuiteParts) -> None:
    suite.parts("train")
    again = SuiteParts(
        families=["hat", "box"],
        n_train=2,
        n_val=1,
        n_test=1,
        element_size=50.0,
        duration=0.5,
        frames=3,
        folder=suite.folder,
    )
    kept = sorted(path.stat().st_mtime_ns for path in suite.folder.rglob("*.safetensors"))
    for ours, theirs in zip(again.parts("train"), suite.parts("train"), strict=True):
        np.testing.assert_array_equal(ours.displacement, theirs.displacement)
    assert kept == sorted(p.stat().st_mtime_ns for p in suite.folder.rglob("*.safetensors"))


def test_refuses_an_unknown_family() -> None:
    with pytest.raises(RecipeError, match="hat, bumper, tube, box"):
        SuiteParts(families=["door"])
