"""Bulk data of Nastran and OptiStruct."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from case_table import table

from scionwood import ReadError
from scionwood_crash.readers import open_series

BULK = """SOL 101
BEGIN BULK
GRID          11             0.0     0.0     0.0
GRID          12             8.0     0.0   1.5-1
GRID*                 13                             8.0             6.0
*                    0.0
GRID,14,,0.,6.,0.
GRID          15            16.0     0.0     0.0
CBEAM         90       3      11      15     0.0     0.0     1.0
CQUAD4        21       4      11      12      13      14    45.0     0.5
CROD,91,3,11,12
CTRIA3,22,9,12,15,13
PSHELL         4       1    1.25       1
PSHELL,9,1,0.8
"""


def bulk(path: Path, text: str = BULK, end: str = "ENDDATA\n") -> Path:
    path.write_text(text + end)
    return path


@table("suffix", [".fem", ".bdf", ".nas"])
def test_shells_have_their_own_property_number_and_thickness(tmp_path: Path, suffix: str) -> None:
    with pytest.warns(UserWarning, match="1 CBEAM, 1 CROD are left out"):
        mesh = open_series(bulk(tmp_path / f"a{suffix}")).mesh
    assert mesh.part_ids.tolist() == [4, 9]
    assert mesh.thickness.tolist() == [1.25, 0.8]
    assert mesh.element_ids.tolist() == [21, 22]
    assert mesh.node_ids.tolist() == [11, 12, 13, 14, 15]
    assert mesh.cells.tolist() == [[0, 1, 2, 3], [1, 4, 2, 2]]
    np.testing.assert_allclose(mesh.points[1:3], [[8, 0, 0.15], [8, 6, 0]])


@pytest.mark.filterwarnings("ignore:.* are left out:UserWarning")
@table(
    ("change", "rule"),
    [
        (("ENDDATA", "CQUAD4"), "cannot be read"),
        (("GRID,14,,0.", "GRID,14,2,0."), "coordinate system 2"),
        (("CTRIA3,22,9,12,15,13", "CTRIA3,22,9,12,15,77"), "node 77"),
        (("CTRIA3,22,9,12,15,13", "CQUAD8,22,9,12,15,13"), "CQUAD8 is not supported"),
        (("PSHELL,9,1,0.8", "INCLUDE 'more.fem'"), "INCLUDE is not supported|cannot be read"),
    ],
)
def test_bad_bulk_data_are_refused(tmp_path: Path, change: tuple[str, str], rule: str) -> None:
    path = bulk(tmp_path / "a.fem")
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(ReadError, match=rule):
        open_series(path)


def test_bulk_data_of_solids_alone_have_no_shells(tmp_path: Path) -> None:
    solids = "BEGIN BULK\nGRID,1,,0.,0.,0.\nCTETRA,1,1,1,1,1,1\n"
    with pytest.raises(ReadError, match="no shell elements"):
        open_series(bulk(tmp_path / "a.fem", solids))


def test_truncated_bulk_data_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="ENDDATA is missing"):
        open_series(bulk(tmp_path / "a.fem", end=""))
