"""The layout of states in memory."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import xarray as xr
from case_table import table

from scionwood import ReadError
from scionwood_pde.readers import layout
from scionwood_pde.readers.states import from_simulation, layout_of
from scionwood_pde.solvers import simulate


def test_the_size_of_a_file_does_not_limit_states_in_memory(
    states: xr.DataArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "_LARGE", 1)
    read = layout_of(states)
    assert read.sides == (4, 3, 2)
    with pytest.raises(ReadError, match="cannot hold"):
        read.check_stored(Path("no such file"))


@table(
    "equation, units",
    [("burgers", ["U", "U"]), ("wave", ["U", "U/T"]), ("navier_stokes", ["L/T", "L/T"])],
)
def test_simulated_states_have_the_units_of_their_equation(equation: str, units: list[str]) -> None:
    run = simulate(equation, 16, 2, 1, 0.02, 1, torch.Generator().manual_seed(0))
    assert from_simulation(run).unit.values.tolist() == units
