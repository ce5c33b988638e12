"""VTK, Abaqus, Nastran, MED and Zarr, the choice of a reader, and damage."""

from __future__ import annotations

import base64
import json
import zipfile
from pathlib import Path

import meshio
import numpy as np
import pytest
import zarr

from scionwood import ReadError
from scionwood_crash.readers import open_reader, open_series, write_series
from scionwood_crash.readers.dispatch import reader_of
from scionwood_crash.readers.meshio import MeshReader
from scionwood_crash.readers.sample import sample_series
from scionwood_crash.readers.store import ZarrReader
from scionwood_crash.readers.vtk_series import VtkSeriesReader

POINTS = np.array([[0.0, 0, 0], [8, 0, 0], [8, 6, 0], [0, 6, 1], [16, 0, 0]])
QUAD, TRIANGLE = np.array([[0, 1, 2, 3]]), np.array([[1, 4, 2]])

MESH = """<?xml version="1.0"?>
<VTKFile type="UnstructuredGrid" version="1.0" byte_order="LittleEndian">
<UnstructuredGrid><Piece NumberOfPoints="{points}" NumberOfCells="1">
<Points><DataArray type="Float64" NumberOfComponents="3" format="ascii">{xyz}</DataArray></Points>
<Cells><DataArray type="Int64" Name="connectivity" format="ascii">{nodes}</DataArray>
<DataArray type="Int64" Name="offsets" format="ascii">{offset}</DataArray>
<DataArray type="UInt8" Name="types" format="ascii">{kind}</DataArray></Cells>
<CellData><DataArray type="Float64" Name="thickness" format="ascii">1.5</DataArray></CellData>
</Piece></UnstructuredGrid></VTKFile>
"""
PLAIN = {"points": 3, "xyz": "0 0 0 1 0 0 0 1 0", "nodes": "0 1 2", "offset": 3, "kind": 5}


def vtu(path: Path, **values: object) -> Path:
    path.write_text(MESH.format(**{**PLAIN, **values}))
    return path


@pytest.mark.parametrize("suffix", [".vtk", ".inp", ".bdf", ".med"])
def test_meshes_of_other_programs_keep_their_cells(tmp_path: Path, suffix: str) -> None:
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


def test_parts_are_properties_or_element_sets(tmp_path: Path) -> None:
    cells = [("quad", QUAD), ("triangle", TRIANGLE)]
    data = {"nastran:ref": [np.array([4]), np.array([9])]}
    meshio.Mesh(POINTS, cells, cell_data=data).write(tmp_path / "a.bdf")
    assert open_series(tmp_path / "a.bdf", thickness=1).mesh.part_ids.tolist() == [4, 9]
    sets = {"roof": [np.array([0]), np.array([], int)], "floor": [np.array([], int), np.array([0])]}
    meshio.Mesh(POINTS, cells, cell_sets=sets).write(tmp_path / "a.inp")
    assert open_series(tmp_path / "a.inp", thickness=1).mesh.part_ids.tolist() == [1, 2]


def test_leaves_out_other_cells_and_refuses_midside_nodes(tmp_path: Path) -> None:
    mixed = meshio.Mesh(POINTS, [("line", np.array([[0, 4]])), ("quad", QUAD)])
    for name in ("mixed.vtk", "mixed.vtu"):
        mixed.write(tmp_path / name)
        with pytest.warns(UserWarning, match="line cells are left|line elements are left"):
            assert len(open_series(tmp_path / name, thickness=1).mesh.cells) == 1
    curved = meshio.Mesh(
        np.eye(6, 3) + np.arange(6)[:, None], [("triangle6", [[0, 1, 2, 3, 4, 5]])]
    )
    for name, rule in (("curved.vtk", "'triangle6' are not supported"), ("curved.vtu", "type 22")):
        curved.write(tmp_path / name)
        with pytest.raises(ReadError, match=rule):
            open_series(tmp_path / name, thickness=1)
    meshio.Mesh(POINTS, [("tetra", np.array([[0, 1, 2, 3]]))]).write(tmp_path / "solid.vtk")
    with (
        pytest.warns(UserWarning, match="tetra elements are left out"),
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


def test_shells_of_calculix_are_read_beside_other_elements(tmp_path: Path) -> None:
    path = tmp_path / "deck.inp"
    path.write_text(CALCULIX)
    with pytest.warns(UserWarning, match=r"deck.inp: elements of type SPRINGA are left out"):
        mesh = open_series(path, thickness=1).mesh
    assert mesh.cells.tolist() == [[0, 1, 2, 3], [1, 4, 2, 2]]
    assert mesh.points[4].tolist() == [2, 0, 0]


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("S3", "S8", r"it has shells with midside nodes \(S8\)"),
        ("TYPE=s4r,", "", r"the elements of line 11 have no TYPE"),
        ("ELSET=both,GENERATE\n1,2", "ELSET=both,GENERATE\n1,99999999", r"generates 1,99999999"),
    ],
    ids=["midside", "no type", "range"],
)
def test_refuses_bad_decks_of_abaqus(tmp_path: Path, old: str, new: str, rule: str) -> None:
    path = tmp_path / "deck.inp"
    path.write_text(CALCULIX.replace(old, new))
    with pytest.raises(ReadError, match=rule):
        open_series(path, thickness=1)


def test_a_deck_of_solids_is_refused_with_the_types_of_its_elements(tmp_path: Path) -> None:
    path = tmp_path / "deck.inp"
    path.write_text(CALCULIX.replace("s4r", "C3D20R").replace("S3", "B32R"))
    with pytest.raises(ReadError, match=r"no shells, only elements of type B32R, C3D20R, SPRINGA"):
        open_series(path, thickness=1)


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"xyz": "0 0 0 1 0 0 0 nan 0"}, "node 3 has a coordinate that is NaN"),
        ({"nodes": "0 1 9"}, "element 1 names a node that does not exist"),
        ({"nodes": "0 1 -2"}, "element 1 names a node that does not exist"),
        ({"nodes": "0 1 1"}, "fewer than three nodes"),
        ({"xyz": "0 0 0 1 0 0 2 0 0"}, "no area"),
        ({"points": 10**15}, "but declares 1000000000000000 x 3"),
        ({"points": -3}, "VTK"),
        ({"offset": 4}, "do not match their types"),
        ({"offset": -3}, "offsets of cells decrease"),
        ({"kind": 9}, "do not match their types"),
        ({"kind": 77}, "type 77 are not supported"),
        ({"xyz": "0 0 0 one 0 0 0 1 0"}, "VTK"),
    ],
)
def test_refuses_bad_meshes(tmp_path: Path, values: dict[str, object], rule: str) -> None:
    with pytest.raises(ReadError, match=rule) as caught:
        open_series(vtu(tmp_path / "bad.vtu", **values))
    assert "bad.vtu" in str(caught.value)
    assert caught.value.remedy
    assert open_series(vtu(tmp_path / "good.vtu")).mesh.thickness.tolist() == [1.5]


@pytest.mark.parametrize("suffix", [".vtu", ".pvd"])
def test_refuses_xml_with_entities(tmp_path: Path, suffix: str) -> None:
    laughs = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    bomb = f'<!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]>'
    theft = '<!DOCTYPE x [<!ENTITY file SYSTEM "file:///etc/hostname">]>'
    for number, head in enumerate((bomb, theft)):
        path = tmp_path / f"{number}{suffix}"
        path.write_text(MESH.format(**PLAIN).replace("?>\n", f"?>\n{head}\n", 1))
        with pytest.raises(ReadError, match="must not declare a document type or entities"):
            open_reader(path)


def test_refuses_compressed_arrays_of_another_size(tmp_path: Path) -> None:
    path = tmp_path / "run.vtp"
    VtkSeriesReader.write_sample(path)
    text = path.read_text()
    start = text.index('format="binary">', text.index('Name="Points"')) + len('format="binary">')
    head = np.frombuffer(base64.b64decode(text[start : start + 44])[:32], "<u8").copy()
    head[2] = 2**50
    path.write_text(text[:start] + base64.b64encode(head.tobytes()).decode() + text[start + 44 :])
    with pytest.raises(ReadError, match="an array has"):
        VtkSeriesReader(path)


def test_refuses_contradicting_and_mixed_units(tmp_path: Path) -> None:
    write_series(tmp_path / "run.pvd", sample_series())
    assert open_series(tmp_path / "run.pvd", units="ms, mm, kg").mesh.units.length == "mm"
    with pytest.raises(ReadError, match=r"the file is in mm, ms, kg, but m, s, kg was given"):
        open_series(tmp_path / "run.pvd", units="m, s, kg")
    frame = tmp_path / "run.frames" / "0001.vtu"
    codes = " ".join(map(str, b"mm, ms, kg"))
    text = frame.read_text()
    assert codes in text
    frame.write_text(text.replace(codes, " ".join(map(str, b"mm, s, kg"))))
    with pytest.raises(ReadError, match=r"0001\.vtu is in mm, s, kg, the first file in mm, ms, kg"):
        open_series(tmp_path / "run.pvd").displacement()


@pytest.mark.parametrize(
    ("entries", "rule"),
    [
        ("", "it lists no files"),
        ('<DataSet timestep="0" file="../up.vtu"/>', "outside its folder"),
        ('<DataSet timestep="0" file="/etc/hostname"/>', "outside its folder"),
        ('<DataSet timestep="0" file="none.vtu"/>', "a state is missing, none.vtu"),
        ('<DataSet timestep="0" file="a.vtu"/>' * 2, "lists a time twice"),
        (
            '<DataSet timestep="1" file="a.vtu"/><DataSet timestep="0" file="a.vtu"/>',
            "times do not increase",
        ),
    ],
)
def test_refuses_bad_lists(tmp_path: Path, entries: str, rule: str) -> None:
    vtu(tmp_path / "a.vtu")
    path = tmp_path / "run.pvd"
    path.write_text(f'<VTKFile type="Collection"><Collection>{entries}</Collection></VTKFile>')
    with pytest.raises(ReadError, match=rule):
        open_series(path)


def test_moved_points_of_a_list_give_displacements(tmp_path: Path) -> None:
    lines = []
    for state, height in enumerate((1.0, 1.5)):
        vtu(tmp_path / f"{state}.vtu", xyz=f"0 0 0 1 0 0 0 {height} 0")
        lines.append(f'<DataSet timestep="{state}" file="{state}.vtu"/>')
    path = tmp_path / "run.pvd"
    path.write_text(f"<VTKFile><Collection>{''.join(lines)}</Collection></VTKFile>")
    moved = open_series(path).displacement()
    assert moved[0].any() == 0
    assert moved[1].tolist() == [[0, 0, 0], [0, 0, 0], [0, 0.5, 0]]
    vtu(tmp_path / "1.vtu", nodes="0 2 1")
    with pytest.raises(ReadError, match=r"the mesh of 1\.vtu is not that of the first file"):
        open_series(path).displacement()


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


@pytest.mark.parametrize(
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


def test_refuses_damaged_numbers_of_runs(tmp_path: Path) -> None:
    VtkSeriesReader.write_sample(tmp_path / "run.vtp")
    features = tmp_path / "global_features.json"
    features.write_text(json.dumps({"run": {"speed": 3}, "other": {"speed": 4}}))
    assert open_series(tmp_path / "run.vtp").features == {"speed": 3.0}
    for text in ("{", '{"run": {"speed": "fast"}}', "[1]"):
        features.write_text(text)
        with pytest.raises(ReadError, match="not JSON with numbers"):
            open_series(tmp_path / "run.vtp")


def test_chooses_the_reader_by_suffix_or_content(tmp_path: Path) -> None:
    from scionwood_crash.readers.dyna import DynaReader
    from scionwood_crash.readers.keyword import KeywordReader

    for reader in (DynaReader, KeywordReader, MeshReader, VtkSeriesReader, ZarrReader):
        path = tmp_path / f"file{reader.suffixes[0]}"
        reader.write_sample(path)
        assert reader_of(path) is reader
        if reader is not MeshReader:
            bare = tmp_path / f"{reader.__name__}.out"
            bare.write_bytes(path.read_bytes())
            assert reader_of(bare) is reader
    assert reader_of(tmp_path / "run3_d3plot") is DynaReader
    (tmp_path / "a.txt").write_text("Dear colleague")
    with pytest.raises(ReadError, match="its format is unknown"):
        reader_of(tmp_path / "a.txt")
    with pytest.raises(ReadError, match="there is no such file"):
        reader_of(tmp_path / "none.txt")


def test_refuses_a_store_that_inflates_too_much(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mesh_pos/0.0.0", bytes(80 << 20))
    with pytest.raises(ReadError, match="inflate"):
        open_series(path)
