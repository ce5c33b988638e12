"""The choice by validation: one candidate for each horizon, and files that do not fit."""

from __future__ import annotations

import csv

import pytest
import torch
from torch import Tensor

import scionwood_pde as pde
from scionwood import RecipeError
from scionwood_pde.evaluation.candidates import Flow, mixed
from scionwood_pde.evaluation.modes import Modes


def test_validation_chooses_one_candidate_for_each_horizon(tmp_path):
    states = pde.simulate(equation="burgers", n=4, n_points=16, dims=2, n_steps=8)
    budget = {"seconds": 0.05, "search": 0.02, "rates": (1e-2,)}
    options = pde.ChooseOptions(candidates=("bilinear", "spectral"), **budget)
    path = tmp_path / "table.csv"
    rows = pde.choose(states[:2], states[2:3], path, options, test=states[3:])
    assert {row["horizon"] for row in rows} == {"next", "6:12"}
    for horizon in ("next", "6:12"):
        lines = [row for row in rows if row["horizon"] == horizon]
        (chosen,) = (row for row in lines if row["chosen"])
        assert chosen["validation"] == min(row["validation"] for row in lines)
        assert "mixture" in {row["candidate"] for row in lines}
    with path.open(newline="", encoding="utf-8") as file:
        assert [row["candidate"] for row in csv.DictReader(file)] == [r["candidate"] for r in rows]
    with pytest.raises(RecipeError, match=r"validation states: .*time step of the training"):
        pde.choose(states, states[:, :, :, :8], options=options)


def test_a_mixture_takes_from_each_model_what_the_validation_confirms():
    class Halving:
        """Halves one field of two."""

        history, fields = 1, 2

        def __init__(self, field: int) -> None:
            self.factor = torch.ones(2, 1)
            self.factor[field] = 0.5

        def __call__(self, x: Tensor) -> Tensor:
            return self.factor * x

        def limited(self, x: Tensor) -> Tensor:
            return x

    start = torch.randn(3, 1, 2, 16, generator=torch.Generator().manual_seed(0))
    val = torch.cat([start, 0.5 * start], dim=1)
    flow = Flow(val, val, Modes((16,), (True,)), (1.0, 1.0))
    assert mixed([Halving(0), Halving(1)], flow).weights == pytest.approx((1, 1), rel=0.01)
