"""Meshes of VTK, Abaqus, Nastran and MED, which meshio reads, and legacy VTK of two versions."""

import meshio
import numpy as np
import pytest
from case_table import table

from scionwood import ReadError
from scionwood_crash.readers import open_series

POINTS = np.array([[0.0, 0, 0], [8, 0, 0], [8, 6, 0], [0, 6, 1], [16, 0, 0]])
QUAD, TRIANGLE = np.array([[0, 1, 2, 3]]), np.array([[1, 4, 2]])


@table("suffix", [".vtk", ".inp", ".bdf", ".med"])
def test_meshes_of_other_programs_keep_their_cells(tmp_path, suffix):
    path = tmp_path / f"mesh{suffix}"
    mesh = meshio.Mesh(POINTS, [("quad", QUAD), ("triangle", TRIANGLE)])
    mesh.write(path)
    series = open_series(path, units="m, s, kg", thickness=0.8)
    assert series.mesh.points == pytest.approx(POINTS)
    assert series.mesh.cells.tolist() == [[0, 1, 2, 3], [1, 4, 2, 2]]
    assert (series.mesh.units.length, len(series)) == ("m", 1)
    assert not series.displacement().any()
    with pytest.raises(ReadError, match=r"2 of 2 shells have no thickness.*Give thickness="):
        open_series(path)


def test_parts_are_properties_or_element_sets(tmp_path):
    cells = [("quad", QUAD), ("triangle", TRIANGLE)]
    data = {"nastran:ref": [np.array([4]), np.array([9])]}
    meshio.Mesh(POINTS, cells, cell_data=data).write(tmp_path / "a.bdf")
    assert open_series(tmp_path / "a.bdf", thickness=1).mesh.part_ids.tolist() == [4, 9]
    sets = {"roof": [np.array([0]), np.array([], int)], "floor": [np.array([], int), np.array([0])]}
    meshio.Mesh(POINTS, cells, cell_sets=sets).write(tmp_path / "a.inp")
    assert open_series(tmp_path / "a.inp", thickness=1).mesh.part_ids.tolist() == [1, 2]


def test_leaves_out_other_cells_and_refuses_midside_nodes(tmp_path):
    mixed = meshio.Mesh(POINTS, [("line", np.array([[0, 4]])), ("quad", QUAD)])
    for name in ("mixed.vtk", "mixed.vtu"):
        mixed.write(tmp_path / name)
        with pytest.warns(UserWarning, match="line cells are left"):
            assert len(open_series(tmp_path / name, thickness=1).mesh.cells) == 1
    curved = meshio.Mesh(
        np.eye(6, 3) + np.arange(6)[:, None], [("triangle6", [[0, 1, 2, 3, 4, 5]])]
    )
    for name, rule in (("curved.vtk", "type 22"), ("curved.vtu", "type 22")):
        curved.write(tmp_path / name)
        with pytest.raises(ReadError, match=rule):
            open_series(tmp_path / name, thickness=1)
    meshio.Mesh(POINTS, [("tetra", np.array([[0, 1, 2, 3]]))]).write(tmp_path / "solid.vtk")
    with (
        pytest.warns(UserWarning, match="tetra cells are left out"),
        pytest.raises(ReadError, match="no shell elements"),
    ):
        open_series(tmp_path / "solid.vtk", thickness=1)


CALCULIX = """*NODE, NSET=all
1,0,0,0
2,1,0,0
*node
3,1,1,0
4,0,1,0
5,2,0,0
** a comment
*NSET,NSET=few,GENERATE
1,4
*ELEMENT,TYPE=s4r,ELSET=plate
1,1,2,3,4
*ELEMENT, TYPE=S3, ELSET=corner
2,2,5,3
*ELEMENT,TYPE=SPRINGA,ELSET=spring
9,1,5
*ELSET,ELSET=both,GENERATE
1,2
*ELSET,ELSET=more
plate,
spring,
"""


def test_shells_of_calculix_are_read_beside_other_elements(tmp_path):
    path = tmp_path / "deck.inp"
    path.write_text(CALCULIX)
    with pytest.warns(UserWarning, match=r"deck.inp: elements of type SPRINGA are left out"):
        mesh = open_series(path, thickness=1).mesh
    assert mesh.cells.tolist() == [[0, 1, 2, 3], [1, 4, 2, 2]]
    assert mesh.points[4].tolist() == [2, 0, 0]


@table(
    ("changes", "rule"),
    [
        ({"S3": "S8"}, r"it has shells with midside nodes \(S8\)"),
        ({"TYPE=s4r,": ""}, r"the elements of line 11 have no TYPE"),
        ({"both,GENERATE\n1,2": "both,GENERATE\n1,99999999"}, r"generates 1,99999999"),
        (
            {"s4r": "C3D20R", "S3": "B32R"},
            r"no shells, only elements of type B32R, C3D20R, SPRINGA",
        ),
    ],
    ids=["midside", "no type", "range", "solids"],
)
def test_refuses_bad_decks_of_abaqus(tmp_path, changes, rule):
    path, text = tmp_path / "deck.inp", CALCULIX
    for old, new in changes.items():
        text = text.replace(old, new)
    path.write_text(text)
    with pytest.raises(ReadError, match=rule):
        open_series(path, thickness=1)


LEGACY = "# vtk DataFile Version {}\nsurface\nASCII\nDATASET POLYDATA\n"
VTK_POINTS = "POINTS 5 double\n0 0 0 1 0 0 1 1 0 0 1 0 2 0 0\n"
OLD = LEGACY.format("4.2") + VTK_POINTS + "POLYGONS 2 9\n4 0 1 2 3\n3 1 4 2\n"
NEW = LEGACY.format("5.1") + VTK_POINTS
NEW += "POLYGONS 3 7\nOFFSETS vtktypeint64\n0 4 7\nCONNECTIVITY vtktypeint64\n0 1 2 3 1 4 2\n"
TEXTURE = "POINT_DATA 5\nTEXTURE_COORDINATES Texture%20Coordinates 2 double\n" + "0 1 " * 5 + "\n"


@pytest.mark.usefixtures("inline")
@table("text", [OLD, NEW, OLD + TEXTURE, NEW + TEXTURE])
def test_polygons_are_shells(text, tmp_path):
    path = tmp_path / "surface.vtk"
    path.write_text(text)
    mesh = open_series(path, thickness=1.0).mesh
    assert mesh.cells.tolist() == [[0, 1, 2, 3], [1, 4, 2, 2]]
    assert mesh.points[4].tolist() == [2, 0, 0]


@pytest.mark.usefixtures("inline")
def test_other_cells_are_named(tmp_path):
    path = tmp_path / "lines.vtk"
    path.write_text(LEGACY.format("4.2") + VTK_POINTS + "LINES 1 3\n2 0 1\n")
    with pytest.raises(ReadError, match="it has no shell elements"):
        open_series(path, thickness=1.0)
    path.write_text(OLD.replace("POLYGONS 2 9\n4 0 1 2 3", "POLYGONS 2 10\n5 0 1 4 2 3"))
    with pytest.raises(ReadError, match="cells of type 7"):
        open_series(path, thickness=1.0)
    path.write_text(OLD + "TEXTURE_COORDINATES t 2 double\n")
    with pytest.raises(ReadError):
        open_series(path, thickness=1.0)
