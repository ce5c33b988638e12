"""The pages of a user's file: their commands run as they are written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import xarray
from page_walk import DOCS, follow

import scionwood_pde as pde

PAGES = "fields/pde"


def first_row(text: str, field: str) -> dict[str, float]:
    """Return the last printed row of a field at horizon 1, by column."""
    lines = text.splitlines()
    at = max(i for i, line in enumerate(lines) if re.match(rf"{field} +1 ", line))
    head = next(line for line in lines[at::-1] if line.startswith("field "))
    names = re.split(r"  +", head.strip())
    return dict(zip(names[2:], map(float, lines[at].split()[2:]), strict=True))


def write_flow(target: Path) -> None:
    """Write a decaying turbulent velocity with the names and the order of dims of some solver."""
    size = {"n": 10, "n_points": 32, "n_steps": 12}
    states = pde.simulate(equation="navier_stokes", **size, interval=0.2, substeps=4, seed=3)
    flow = pde.as_dataset(states.drop_attrs(deep=False))
    flow = flow.rename(sample="run", time="t", x="nx", y="ny", z="nz")
    flow["t"].attrs = {"units": "s"}
    for axis in ("nx", "ny", "nz"):
        flow[axis].attrs = {"units": "m", "boundary": "periodic"}
    for name in flow:
        flow[name].attrs = {"units": "m/s"}
    flow.transpose("run", "t", "nz", "ny", "nx").to_netcdf(target, engine="h5netcdf")


def write_simulation(target: Path) -> None:
    """Write a tracer with the names, the order of dims and the units of some solver."""
    states = pde.simulate(equation="advection_diffusion", n=10, n_points=32, n_steps=8, seed=5)
    field = states.isel(channel=0).transpose("sample", "time", "z", "y", "x")
    units = {"units": "kg m-3", "long_name": "concentration"}
    coordinates = {"t": ("t", states["time"].values * 100, {"units": "s"})}
    coordinates |= {
        mine: (mine, states[axis].values * 1000, {"units": "m"})
        for mine, axis in zip("ijk", "xyz", strict=True)
    }
    dims = ("member", "t", "k", "j", "i")
    dataset = xarray.Dataset({"tracer": (dims, field.values, units)}, coordinates)
    dataset.to_netcdf(target, engine="h5netcdf")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_reader_of_the_page_gets_a_prediction_of_an_own_file(tmp_path):
    write_simulation(tmp_path / "simulation.nc")
    run = follow(f"{PAGES}/your-own-file.md", tmp_path)
    assert "refused, as it should be" in run.stdout
    assert "it has no field 'u_x'; it has tracer" in run.stderr
    predicted = pde.open_states(tmp_path / "predicted.nc")
    assert predicted["channel"].values.tolist() == ["tracer"]
    assert predicted["time"].attrs["units"] == "s"
    assert predicted["unit"].item() == "kg m-3"
    row = first_row(run.stdout, "tracer")
    assert row["vrmse"] < 0.7 * row["persistence"]
    assert row["skill"] < 1
    assert "worse than the mean of the field" in run.stdout
    names = {file.name for file in (tmp_path / "figures").iterdir()}
    assert names == {"slices.png", "spectra.png", "error_growth.png", "rollout.gif"}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_reader_of_the_page_of_skill_gets_a_score_over_linear_filters(tmp_path):
    write_flow(tmp_path / "flow.nc")
    run = follow(f"{PAGES}/skill.md", tmp_path)
    rows = [first_row(run.stdout, name) for name in ("u_x", "u_y", "u_z")]
    assert sum(row["skill"] for row in rows) / 3 > 0.2
    assert "no skill" not in run.stdout


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_reader_of_the_page_compresses_a_real_file_of_an_ocean_model(tmp_path):
    run = follow(f"{PAGES}/ocean.md", tmp_path, check=False)
    if "No matching distribution" in run.stderr:
        pytest.skip("xroms, whose source package holds the file, cannot be downloaded")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "refused, as it should be" in run.stdout
    assert "12 boxes without land" in run.stdout
    measured = re.findall(r"^(temp|salt) (latents|blocks) ([\d.]+)$", run.stdout, re.M)
    error = {(name, method): float(value) for name, method, value in measured}
    text = (DOCS / PAGES / "ocean.md").read_text("utf-8")
    rows = re.findall(r"^\| (temp|sal)\w+ \| ([\d.]+) \| ([\d.]+) \|$", text, re.M)
    for name, (_, latents, blocks) in zip(("temp", "salt"), rows, strict=True):
        assert error[name, "latents"] == pytest.approx(float(latents), abs=0.002)
        assert error[name, "blocks"] == pytest.approx(float(blocks), abs=0.002)
        assert error[name, "latents"] < error[name, "blocks"]
    assert pde.open_states(tmp_path / "back.nc").sizes["sample"] == 12
