"""Zarr stores: graphs without cells, and damage."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import zarr
from case_table import table

from scionwood import ReadError
from scionwood_crash.readers import open_series, write_series
from scionwood_crash.readers.sample import sample_series

POINTS = np.array([[0.0, 0, 0], [8, 0, 0], [8, 6, 0], [0, 6, 1], [16, 0, 0]])


def test_a_store_without_cells_is_a_graph(tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "run.zarr", mode="w", zarr_format=3)
    positions = np.stack([POINTS, POINTS + 1])
    arrays = {"mesh_pos": positions, "edges": np.array([[0, 1], [1, 2]]), "thickness": np.ones(5)}
    for name, values in arrays.items():
        group.create_array(name, data=values)
    with pytest.warns(UserWarning, match="has no times: states are numbered from 0"):
        series = open_series(tmp_path / "run.zarr")
    assert series.mesh.sides().tolist() == [[0, 1], [1, 2]]
    assert not len(series.mesh.cells)
    assert series.displacement()[1].tolist() == np.ones((5, 3)).tolist()
    assert series.read(0).point_fields["thickness"].tolist() == [1.0] * 5


@table(
    ("name", "values", "rule"),
    [
        ("mesh_pos", np.zeros((2, 15)), r"mesh_pos is \(2, 15\)"),
        ("thickness", np.ones(3), r"thickness is \(3,\), not"),
        (
            "mesh_connectivity_offsets",
            np.array([0, 2, 4]),
            "not all of its cells have three or four nodes",
        ),
        ("mesh_connectivity_flat", np.full(7, 77), "names a node that does not exist"),
    ],
)
def test_refuses_bad_stores(tmp_path: Path, name: str, values: np.ndarray, rule: str) -> None:
    group = zarr.open_group(
        tmp_path / "run.zarr", mode="w", zarr_format=2, attributes={"times": [0]}
    )
    arrays = {
        "mesh_pos": POINTS[None],
        "thickness": np.ones(5),
        "mesh_connectivity_flat": np.array([0, 1, 2, 3, 1, 4, 2]),
        "mesh_connectivity_offsets": np.array([0, 4, 7]),
    }
    for label, data in {**arrays, name: values}.items():
        group.create_array(label, data=data)
    with pytest.raises(ReadError, match=rule):
        open_series(tmp_path / "run.zarr", thickness=1.0)


def test_refuses_a_missing_chunk(tmp_path: Path) -> None:
    write_series(tmp_path / "run.zarr", sample_series())
    (tmp_path / "run.zarr" / "mesh_pos" / "1.0.0").unlink()
    series = open_series(tmp_path / "run.zarr")
    assert np.isfinite(series.read(0).displacement).all()
    with pytest.raises(ReadError, match="state 1 holds NaN"):
        series.read(1)


def test_refuses_a_store_that_inflates_too_much(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mesh_pos/0.0.0", bytes(80 << 20))
    with pytest.raises(ReadError, match="inflate"):
        open_series(path)
