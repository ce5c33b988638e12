"""d3plot: files are unchanged by writing and reading, and two other readers agree."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import dynars
import numpy as np
import pytest
from case_table import table
from lasso.dyna import ArrayType, D3plot

from scionwood import OutputExistsError, PluginError, ReadError
from scionwood_crash.parts.mesh import CrashSeries
from scionwood_crash.readers.dyna import DynaReader
from scionwood_crash.readers.dyna_write import write_d3plot
from scionwood_crash.readers.sample import sample_series

WORDS = {"filetype": 11, "ndim": 15, "numnp": 16, "iu": 20, "maxint": 36, "nmsph": 37}
WORDS |= {"nadapt": 50, "npefg": 54}


@pytest.fixture
def series() -> CrashSeries:
    return sample_series(states=5)


@pytest.fixture
def written(series: CrashSeries, tmp_path: Path) -> Path:
    path = tmp_path / "d3plot"
    write_d3plot(series, path, states_per_file=2)
    return path


@pytest.fixture
def single(tmp_path: Path) -> Path:
    path = tmp_path / "run.d3plot"
    DynaReader.write_sample(path)
    return path


@pytest.fixture
def patched(single: Path) -> Callable[[str, int], Path]:
    """Change an integer in the control block of a d3plot file."""

    whole = single.read_bytes()

    def change(word: str, value: int) -> Path:
        data = bytearray(whole)
        at = 4 * WORDS[word]
        data[at : at + 4] = int(value).to_bytes(4, "little", signed=True)
        single.write_bytes(data)
        return single

    return change


def test_a_mesh_of_three_parts_is_unchanged(series, written):
    mesh = DynaReader(written, units="kg, mm, ms").mesh
    for name in ("points", "cells", "node_ids", "element_ids", "part_ids"):
        assert np.array_equal(getattr(mesh, name), getattr(series.mesh, name)), name
    assert mesh.triangles.any()
    assert not mesh.triangles.all()
    assert (mesh.rigid_parts, mesh.units) == (series.mesh.rigid_parts, series.mesh.units)


@table("states_per_file", [None, 0, 1, 2])
def test_states_are_unchanged_in_any_number_of_files(series, tmp_path, states_per_file):
    write_d3plot(series, tmp_path / "d3plot", states_per_file=states_per_file)
    result = DynaReader(tmp_path / "d3plot").series()
    assert np.array_equal(result.times, series.times)
    assert np.array_equal(result.displacement(), series.displacement())
    assert np.array_equal(result.alive(), series.alive())
    assert np.array_equal(result.cell_field("plastic_strain"), series.cell_field("plastic_strain"))


def test_displacement_is_position_minus_initial_position(written):
    reader = DynaReader(written)
    raw = D3plot(str(written)).arrays
    position = raw[ArrayType.node_displacement]  # which holds positions, whatever its name
    initial = raw[ArrayType.node_coordinates]
    assert np.abs(position[0]).max() > 1  # not displacements
    expected = position.astype(np.float64) - initial
    assert np.array_equal(reader.series().displacement(), expected)


def test_agrees_with_lasso_and_dynars(series, written):
    result, other = DynaReader(written).series(), dynars.D3plot(str(written))
    positions = (result.mesh.points + result.displacement()).astype(np.float32)
    assert np.array_equal(other.node_coordinates_all(), positions)
    assert np.array_equal(other.times(), result.times)
    assert np.array_equal(other.node_ids(), result.mesh.node_ids)
    assert np.array_equal(other.shell_ids(), result.mesh.element_ids)
    data = D3plot(str(written)).arrays
    assert np.array_equal(data[ArrayType.element_shell_node_indexes], result.mesh.cells)
    assert np.array_equal(other.part_ids(), np.unique(result.mesh.part_ids))


def test_all_integration_points_are_unchanged(tmp_path):
    base, rng = sample_series(), np.random.default_rng(0)
    shape = (len(base), len(base.mesh.cells))
    strain = rng.random((*shape, 3)).astype(np.float32)
    stress = rng.normal(size=(*shape, 18)).astype(np.float32)
    fields = {"plastic_strain_layers": strain, "stress_layers": stress}
    series = CrashSeries.from_arrays(
        base.mesh, base.times, base.displacement(), cell_fields=fields, alive=base.alive()
    )
    write_d3plot(series, tmp_path / "d3plot")
    result, kept = DynaReader(tmp_path / "d3plot").series(), ~base.mesh.rigid
    for name, values in fields.items():
        assert np.array_equal(result.cell_field(name)[:, kept], values[:, kept]), name
        assert not result.cell_field(name)[:, ~kept].any()  # as LS-DYNA's manual says
    assert np.array_equal(result.cell_field("plastic_strain")[:, kept], strain.max(2)[:, kept])
    x = stress.reshape(*shape, 3, 6).astype(np.float64)
    deviator = x[..., :3] - x[..., :3].mean(-1, keepdims=True)
    mises = np.sqrt(1.5 * (deviator**2).sum(-1) + 3 * (x[..., 3:] ** 2).sum(-1)).max(-1)
    assert result.cell_field("von_mises")[:, kept] == pytest.approx(mises[:, kept], rel=1e-5)


def test_thickness_comes_from_the_first_state(series, written):
    rigid, expected = series.mesh.rigid, series.mesh.thickness
    assert np.array_equal(DynaReader(written).mesh.thickness, np.where(rigid, 0, expected))
    given = DynaReader(written, thickness=2.0).mesh.thickness
    assert np.array_equal(given, np.where(rigid, 2.0, expected))


def test_a_file_without_thickness_needs_an_option(tmp_path):
    data = D3plot()
    data.arrays = {
        ArrayType.node_coordinates: np.eye(3, dtype=np.float32),
        ArrayType.node_displacement: np.eye(3, dtype=np.float32)[None],
        ArrayType.element_shell_node_indexes: np.array([[0, 1, 2, 2]]),
        ArrayType.element_shell_part_indexes: np.array([0]),
    }
    path = tmp_path / "d3plot"
    data.write_d3plot(str(path))
    with pytest.raises(ReadError, match=r"1 of 1 shells have no thickness.*Give thickness="):
        DynaReader(path)
    assert DynaReader(path, thickness=1.2).mesh.thickness == pytest.approx([1.2])


def test_rewriting_changes_only_positions(written, tmp_path):
    target = tmp_path / "out" / "new.d3plot"
    DynaReader(written).rewrite(target, lambda record: record.data[:, ::-1])
    before, after = DynaReader(written).series(), DynaReader(target).series()
    expected = (before.mesh.points + before.displacement())[..., ::-1]
    assert np.array_equal(after.mesh.points + after.displacement(), expected)
    assert np.array_equal(after.cell_field("plastic_strain"), before.cell_field("plastic_strain"))
    files = {item.name: item.stat().st_size for item in target.parent.iterdir()}
    assert sorted(files) == ["new.d3plot", "new.d3plot01", "new.d3plot02", "new.d3plot03"]


def test_does_not_mix_state_files_of_two_runs(series, written):
    with pytest.raises(OutputExistsError):
        write_d3plot(series, written)
    written.unlink()
    with pytest.raises(OutputExistsError, match="d3plot01"):
        write_d3plot(series, written)
    write_d3plot(series, written, overwrite=True)
    assert sorted(item.name for item in written.parent.iterdir()) == ["d3plot", "d3plot01"]


@table(
    ("word", "value", "rule"),
    [
        ("ndim", 32761, "before 2011"),
        ("ndim", 8, "compressed rigid bodies"),
        ("ndim", 7, "rigid road"),
        ("nmsph", 4, "SPH particles"),
        ("npefg", 1, "airbag particles"),
        ("nadapt", 2, "adaptive remeshing"),
        ("maxint", -3, "deletion by nodes"),
        ("iu", 0, "no positions"),
        ("filetype", 4, "interface force"),
        ("filetype", 1001, "64 bit numbers"),
        ("numnp", -1, "numnp below zero"),
        ("numnp", 2**31 - 1, "bytes of mesh"),
    ],
)
def test_refuses_unsupported_content(patched, word, value, rule):
    with pytest.raises(ReadError, match=rule):
        DynaReader(patched(word, value))


def test_refuses_truncated_incomplete_and_foreign_files(written):
    alone, last = written.with_name("alone.d3plot"), written.with_name("d3plot03")
    shutil.copyfile(written, alone)
    with pytest.raises(ReadError, match=r"it has no state.*Missing state files"):
        DynaReader(alone, thickness=1.0)
    alone.write_bytes(np.frombuffer(written.read_bytes(), "<u4").astype(">u4").tobytes())
    with pytest.raises(ReadError, match="big-endian"):
        DynaReader(alone)
    whole = last.read_bytes()
    last.write_bytes(whole[:300])
    with pytest.raises(ReadError, match=r"d3plot03 does not end with the end mark"):
        DynaReader(written)
    last.write_bytes(whole)
    written.with_name("d3plot02").unlink()
    with pytest.raises(ReadError, match=r"number 2 is missing"):
        DynaReader(written)


def test_refuses_a_state_with_nan(series, tmp_path):
    moved = series.displacement()
    moved[3, 2, 1] = np.nan
    broken = CrashSeries.from_arrays(series.mesh, series.times, moved)
    write_d3plot(broken, tmp_path / "d3plot")
    reader = DynaReader(tmp_path / "d3plot")
    assert np.isfinite(reader.read(2).displacement).all()
    with pytest.raises(ReadError, match=r"'displacement' of state 3 holds NaN"):
        reader.read(3)


def test_names_the_extra_if_lasso_is_missing(single, monkeypatch):
    monkeypatch.setitem(sys.modules, "lasso.dyna", None)
    with pytest.raises(PluginError, match=r"pip install lasso-python"):
        DynaReader(single)
