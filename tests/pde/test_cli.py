"""The commands, from the command line to the written files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from case_table import table

from scionwood.cli import main
from scionwood_pde.evaluation.compare import PERSISTENCE
from scionwood_pde.readers.cache import Cache
from scionwood_pde.readers.opening import open_reader

# Runs of two steps are no better than persistence, and `rollout` says so.
pytestmark = pytest.mark.filterwarnings("ignore:the first predicted step has a VRMSE")

SMALL = ("--n-points", "16", "--n-steps", "3", "--n", "2")


def pde(command: str, *options: object) -> int:
    return main(["pde", command, *map(str, options)])


@pytest.fixture(scope="module")
def burgers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "burgers.zarr"
    assert pde("simulate", path, *SMALL) == 0
    return path


@table("name", ["states.zarr", "states.zarr.zip", "states.hdf5", "states.nc"])
def test_simulate_writes_the_format_of_the_suffix(name, burgers, tmp_path, capsys):
    target = tmp_path / name
    assert pde("simulate", target, *SMALL) == 0
    assert "2 of 2 samples are finite, with 4 states each" in capsys.readouterr().out
    written, wanted = (open_reader(path).to_xarray() for path in (target, burgers))
    np.testing.assert_array_equal(written.values, wanted.values)  # a seed gives one file
    assert written.unit.values.tolist() == ["U"] * 3
    assert written.x.attrs["boundary"] == "periodic"
    assert pde("simulate", target, *SMALL) == 2
    assert "exists already" in capsys.readouterr().err
    assert pde("simulate", target, *SMALL, "--force") == 0


@table(
    ("options", "message"),
    [
        (("states.mat",), "suffix is not one of .zarr"),
        (("states.zarr", "--equation", "navier"), "no equation has this name"),
        (("states.zarr", "--n-points", "2"), "at least 4"),
        (("states.zarr", "--interval", "1e6", "--equation", "burgers", *SMALL), "0 of 2 samples"),
    ],
)
def test_simulate_reports_options_that_do_not_fit(options, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert pde("simulate", *options) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_convert_writes_a_cache(burgers, tmp_path):
    assert pde("convert", burgers, tmp_path / "cache", "--stride", "2") == 0
    wanted = open_reader(burgers).to_xarray().values[:, ::2]
    np.testing.assert_array_equal(Cache(tmp_path / "cache").states, wanted)


def test_evaluate_prints_errors_by_field_and_horizon(burgers, tmp_path, capsys):
    figures = tmp_path / "figures"
    assert pde("evaluate", burgers, burgers, "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["field"], row["horizon"]) for row in rows] == [
        (name, "1") for name in ("u_x", "u_y", "u_z", "enstrophy u")
    ]
    *fields, enstrophy = rows
    assert all(row["vrmse"] == row["nrmse"] == row["conserved"] == 0 for row in fields)
    assert enstrophy["nrmse"] == 0
    assert all(0.01 < row[PERSISTENCE] < 1 for row in fields)
    assert pde("evaluate", burgers, burgers, "--fields", "u_x", "--figures", figures) == 0
    names = {path.name for path in figures.iterdir()}
    assert names == {"slices.png", "error_growth.png", "spectra.png", "rollout.gif"}


def test_evaluate_refuses_other_simulations(burgers, tmp_path, capsys):
    other = tmp_path / "other.zarr"
    assert pde("simulate", other, "--n-points", "16", "--n-steps", "2", "--n", "1") == 0
    assert pde("evaluate", other, burgers) == 2
    assert "samples are 1; the reference states have 2" in capsys.readouterr().err
    assert pde("evaluate", burgers, burgers, "--given", "4") == 2
    assert "no state was predicted" in capsys.readouterr().err
    late = tmp_path / "late.zarr"
    assert pde("simulate", late, *SMALL, "--interval", "0.013") == 0
    assert pde("evaluate", late, burgers) == 2
    assert "the predicted state at time 0.013" in capsys.readouterr().err


def test_rollout_can_normalise_with_a_cache(run, burgers, tmp_path):
    assert pde("convert", burgers, tmp_path / "cache") == 0
    names = ("own.zarr", "cached.zarr")
    options: list[tuple[object, ...]] = [(), ("--statistics", tmp_path / "cache")]
    for name, more in zip(names, options, strict=True):
        assert pde("rollout", burgers, tmp_path / name, "--run", run, *more) == 0
    own, cached = (open_reader(tmp_path / name).to_xarray() for name in names)
    assert not np.array_equal(own[:, 1], cached[:, 1])
    np.testing.assert_allclose(own[:, 1], cached[:, 1], atol=1.0)


def test_encode_and_rollout_refuse_grids_and_fields_that_do_not_fit(run, tmp_path, capsys):
    small, other = tmp_path / "small.zarr", tmp_path / "gray_scott.zarr"
    assert pde("simulate", small, "--n-points", "8", "--n-steps", "1", "--n", "1") == 0
    assert pde("encode", small, tmp_path / "latents", "--weights", "none") == 2
    assert "each side needs at least 16" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["small.zarr"]
    assert pde("simulate", other, "--equation", "gray_scott", *SMALL) == 0
    assert pde("rollout", other, tmp_path / "predicted.zarr", "--run", run) == 2
    assert "no field 'u_x'" in capsys.readouterr().err
