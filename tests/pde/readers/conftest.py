"""Fixtures of the readers' tests: one set of states, and files of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import xarray as xr

from scionwood_pde.readers.write import sample_states

Change = Callable[[xr.Dataset], xr.Dataset]


@pytest.fixture
def states() -> xr.DataArray:
    """(sample 2, time 3, channel 4, x 4, y 3, z 2): a velocity in m/s and a density."""
    return sample_states()


@pytest.fixture
def dataset(states: xr.DataArray) -> xr.Dataset:
    """The states with one variable for each channel, as in files with named dims."""
    variables = states.to_dataset(dim="channel").drop_vars("unit")
    for name, unit in zip(states.channel.values, states.unit.values, strict=True):
        variables[str(name)].attrs["units"] = str(unit)
    return variables


@pytest.fixture
def netcdf(dataset: xr.Dataset, tmp_path: Path) -> Callable[[Change], Path]:
    """A function that changes the dataset and writes it as NetCDF."""

    def write(change: Change) -> Path:
        path = tmp_path / "changed.nc"
        change(dataset).to_netcdf(path, engine="h5netcdf")
        return path

    return write
