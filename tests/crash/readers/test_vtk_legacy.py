"""Polygons of legacy VTK files, of versions 4 and 5, and texture coordinates."""

from __future__ import annotations

from pathlib import Path

import pytest
from case_table import table

from scionwood import ReadError
from scionwood_crash.readers import open_series

HEAD = "# vtk DataFile Version {}\nsurface\nASCII\nDATASET POLYDATA\n"
POINTS = "POINTS 5 double\n0 0 0 1 0 0 1 1 0 0 1 0 2 0 0\n"
OLD = HEAD.format("4.2") + POINTS + "POLYGONS 2 9\n4 0 1 2 3\n3 1 4 2\n"
NEW = HEAD.format("5.1") + POINTS
NEW += "POLYGONS 3 7\nOFFSETS vtktypeint64\n0 4 7\nCONNECTIVITY vtktypeint64\n0 1 2 3 1 4 2\n"
TEXTURE = "POINT_DATA 5\nTEXTURE_COORDINATES Texture%20Coordinates 2 double\n" + "0 1 " * 5 + "\n"


@pytest.fixture(autouse=True)
def _inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read in this process; other tests read in children."""
    monkeypatch.setenv("SCIONWOOD_READERS", "inline")


@table("text", [OLD, NEW, OLD + TEXTURE, NEW + TEXTURE])
def test_polygons_are_shells(text: str, tmp_path: Path) -> None:
    path = tmp_path / "surface.vtk"
    path.write_text(text)
    mesh = open_series(path, thickness=1.0).mesh
    assert mesh.cells.tolist() == [[0, 1, 2, 3], [1, 4, 2, 2]]
    assert mesh.points[4].tolist() == [2, 0, 0]


def test_other_cells_are_named(tmp_path: Path) -> None:
    path = tmp_path / "lines.vtk"
    path.write_text(HEAD.format("4.2") + POINTS + "LINES 1 3\n2 0 1\n")
    with pytest.raises(ReadError, match="it holds LINES"):
        open_series(path, thickness=1.0)
    path.write_text(OLD.replace("POLYGONS 2 9\n4 0 1 2 3", "POLYGONS 2 10\n5 0 1 4 2 3"))
    with pytest.raises(ReadError, match="polygons of 5 nodes"):
        open_series(path, thickness=1.0)


def test_texture_coordinates_of_other_data_stay_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.vtk"
    path.write_text(OLD + "TEXTURE_COORDINATES t 2 double\n")
    with pytest.raises(ReadError):
        open_series(path, thickness=1.0)
