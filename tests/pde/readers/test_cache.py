from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from scionwood import OutputExistsError, ReadError
from scionwood_pde.readers.base import StatesReader
from scionwood_pde.readers.cache import Cache, write_cache
from scionwood_pde.readers.opening import open_reader
from scionwood_pde.readers.write import sample_states, save_states


@pytest.fixture
def states() -> xr.DataArray:
    return sample_states()


@pytest.fixture
def reader(states: xr.DataArray, tmp_path: Path) -> StatesReader:
    save_states(states, tmp_path / "states.zarr")
    return open_reader(tmp_path / "states.zarr")


def test_a_cache_has_the_states_of_all_files(reader, states, tmp_path):
    save_states(2 * states.astype(np.float32), tmp_path / "more.nc")
    other = open_reader(tmp_path / "more.nc", fields=["u_x", "u_y", "u_z", "density"])
    cache = write_cache([reader, other], tmp_path / "cache")
    assert isinstance(cache.states, np.memmap)
    np.testing.assert_array_equal(cache.states, np.concatenate([states, 2 * states]))
    again = Cache(tmp_path / "cache")
    assert again.statistics == cache.statistics
    xr.testing.assert_identical(again.to_xarray().isel(sample=slice(2)), states)
    copy = pickle.loads(pickle.dumps(cache))
    assert "states" not in copy.__dict__, "its values are not copied"
    np.testing.assert_array_equal(copy.states, cache.states)


def test_statistics_are_those_of_each_channel(reader, states, tmp_path):
    cache = write_cache([reader], tmp_path / "cache")
    assert list(cache.statistics) == ["u_x", "u_y", "u_z", "density"]
    for i, statistics in enumerate(cache.statistics.values()):
        values = states.values[:, :, i].astype(np.float64)
        wanted = (values.mean(), values.std(), values.min(), values.max())
        assert (
            statistics.mean,
            statistics.std,
            statistics.minimum,
            statistics.maximum,
        ) == pytest.approx(wanted)
        change = np.sqrt((np.diff(values, axis=1) ** 2).mean())
        assert statistics.change == pytest.approx(change)


def test_a_stride_keeps_every_second_time(reader, states, tmp_path):
    cache = write_cache([reader], tmp_path / "cache", stride=2)
    np.testing.assert_array_equal(cache.states, states.values[:, ::2])
    assert cache.layout.times.tolist() == pytest.approx([0, 0.2])
    alone = write_cache([reader], tmp_path / "alone", stride=3)
    assert alone.statistics["u_x"].change is None


def test_refuses_files_with_other_units(reader, states, tmp_path):
    states.coords["unit"] = ("channel", ["cm/s"] * 3 + ["kg/m^3"])
    save_states(states, tmp_path / "other.zarr")
    with pytest.raises(ReadError, match=r"other.zarr: its units are .*cm/s"):
        write_cache([reader, open_reader(tmp_path / "other.zarr")], tmp_path / "cache")


def test_nan_prevents_a_cache(states, tmp_path):
    states[1, 2, 0, 0, 0, 0] = np.nan
    save_states(states, tmp_path / "states.nc")
    with pytest.raises(ReadError, match="NaN"):
        write_cache([open_reader(tmp_path / "states.nc")], tmp_path / "cache")
    assert [path.name for path in tmp_path.iterdir()] == ["states.nc"]


def test_a_cache_that_exists_is_kept_unless_overwritten(reader, tmp_path):
    with pytest.raises(ValueError, match="0 readers"):
        write_cache([], tmp_path / "cache")
    with pytest.raises(ValueError, match="stride 0"):
        write_cache([reader], tmp_path / "cache", stride=0)
    write_cache([reader], tmp_path / "cache")
    with pytest.raises(OutputExistsError):
        write_cache([reader], tmp_path / "cache", stride=2)
    assert write_cache([reader], tmp_path / "cache", stride=2, overwrite=True).states.shape[1] == 2


def test_names_the_damage(reader, tmp_path):
    folder = write_cache([reader], tmp_path / "cache").folder
    whole = (folder / "states.npy").read_bytes()
    (folder / "states.npy").write_bytes(whole[:-100])
    with pytest.raises(ReadError, match="not a readable cache"):
        Cache(folder)
    np.save(folder / "states.npy", np.zeros((2, 3, 4), np.float32))
    with pytest.raises(ReadError, match="has shape"):
        Cache(folder)
    with pytest.raises(ReadError, match="no such file"):
        Cache(tmp_path)
