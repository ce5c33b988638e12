"""Series in XML of VTK and in Zarr stores: bad meshes, lists of states, units and damage."""

from __future__ import annotations

import base64
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import pyvista
import zarr
from case_table import table

from scionwood import ReadError
from scionwood_crash.readers import open_reader, open_series, write_series
from scionwood_crash.readers.folder import files_of, find_runs
from scionwood_crash.readers.sample import sample_series
from scionwood_crash.readers.vtk_series import VtkSeriesReader

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


@table(
    ("values", "rule"),
    [
        ({"xyz": "0 0 0 1 0 0 0 nan 0"}, "node 3 has a coordinate that is NaN"),
        ({"nodes": "0 1 9"}, "element 1 names a node that does not exist"),
        ({"nodes": "0 1 -2"}, "element 1 names a node that does not exist"),
        ({"nodes": "0 1 1"}, "fewer than three nodes"),
        ({"xyz": "0 0 0 1 0 0 2 0 0"}, "no area"),
        ({"points": 10**15}, "declares 1000000000000000 points"),
        ({"points": -3}, "VTK"),
        ({"offset": 4}, "not long enough"),
        ({"offset": -3}, "not monotonically increasing"),
        ({"kind": 9}, "do not match their types"),
        ({"kind": 77}, "type 77 are not supported"),
        ({"xyz": "0 0 0 one 0 0 0 1 0"}, "VTK"),
    ],
)
def test_refuses_bad_meshes(tmp_path, values, rule):
    with pytest.raises(ReadError, match=rule) as caught:
        open_series(vtu(tmp_path / "bad.vtu", **values))
    assert "bad.vtu" in str(caught.value)
    assert caught.value.remedy
    assert open_series(vtu(tmp_path / "good.vtu")).mesh.thickness.tolist() == [1.5]


@pytest.mark.parametrize("suffix", [".vtu", ".pvd"])
def test_refuses_xml_with_entities(tmp_path, suffix):
    laughs = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    bomb = f'<!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]>'
    theft = '<!DOCTYPE x [<!ENTITY file SYSTEM "file:///etc/hostname">]>'
    for number, head in enumerate((bomb, theft)):
        path = tmp_path / f"{number}{suffix}"
        path.write_text(MESH.format(**PLAIN).replace("?>\n", f"?>\n{head}\n", 1))
        with pytest.raises(ReadError, match="must not declare a document type or entities"):
            open_reader(path)


def test_refuses_compressed_arrays_of_another_size(tmp_path):
    path = tmp_path / "run.vtp"
    VtkSeriesReader.write_sample(path)
    text = path.read_text()
    start = text.index('format="binary">', text.index('Name="Points"')) + len('format="binary">')
    head = np.frombuffer(base64.b64decode(text[start : start + 44])[:32], "<u8").copy()
    head[2] = 2**50
    path.write_text(text[:start] + base64.b64encode(head.tobytes()).decode() + text[start + 44 :])
    with pytest.raises(ReadError, match="'Points' states 1 blocks of 1125899906842624 bytes"):
        VtkSeriesReader(path)


def test_refuses_a_binary_file_that_ends_within_an_array(tmp_path):
    path = tmp_path / "a.vtk"
    grid = pyvista.read(vtu(tmp_path / "a.vtu"))
    grid.point_data["displacement"] = np.ones((3, 3))
    grid.save(path)
    assert open_series(path).displacement().tolist() == np.ones((1, 3, 3)).tolist()
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"displacement") + 60])
    with pytest.raises(ReadError, match="Error reading binary data"):
        open_series(path)


def test_refuses_contradicting_and_mixed_units(tmp_path):
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


@table(
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
def test_refuses_bad_lists(tmp_path, entries, rule):
    vtu(tmp_path / "a.vtu")
    path = tmp_path / "run.pvd"
    path.write_text(f'<VTKFile type="Collection"><Collection>{entries}</Collection></VTKFile>')
    with pytest.raises(ReadError, match=rule):
        open_series(path)


def test_moved_points_of_a_list_give_displacements(tmp_path):
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


ANIM = """# vtk DataFile Version 3.0
vtk output
ASCII
DATASET UNSTRUCTURED_GRID
FIELD FieldData 2
TIME 1 1 double
{time}
CYCLE 1 1 int
0
POINTS 5 float
0 0 0 1 0 0 1 1 {height} 0 1 0 2 0 0
CELLS 3 13
2 0 4
4 0 1 2 3
4 1 4 2 2
CELL_TYPES 3
3
9
5
POINT_DATA 5
SCALARS NODE_ID int 1
LOOKUP_TABLE default
11 12 13 14 15
VECTORS Velocity float
0 0 0 0 0 0 0 0 1 0 0 0 0 0 0
CELL_DATA 3
SCALARS PART_ID int 1
LOOKUP_TABLE default
9 3 4
SCALARS EROSION_STATUS int 1
LOOKUP_TABLE default
1 1 {alive}
SCALARS 2DELEM_Plastic_Strain float 1
LOOKUP_TABLE default
0 0.25 0.5
SCALARS 2DELEM_Thickness float 1
LOOKUP_TABLE default
0 1.5 1.5
"""


@pytest.mark.filterwarnings("ignore:.*line cells are left out")
def test_numbered_files_of_openradioss_are_one_run(tmp_path):
    for number in (1, 2, 10):
        text = ANIM.format(time=0.5 * number - 0.5, height=0.25 * number, alive=int(number < 10))
        (tmp_path / f"crashA{number:03d}.vtk").write_text(text)
    (tmp_path / "other001.vtk").write_text("# vtk DataFile Version 3.0\n")
    first = tmp_path / "crashA001.vtk"
    assert find_runs(tmp_path).runs == [first]
    assert len(files_of(first)) == 3
    series = open_series(first)
    assert series.times.tolist() == [0, 0.5, 4.5]
    assert series.mesh.cells.tolist() == [[0, 1, 2, 3], [1, 4, 2, 2]]
    assert series.mesh.node_ids.tolist() == [11, 12, 13, 14, 15]
    assert series.mesh.part_ids.tolist() == [3, 4]
    assert series.mesh.thickness.tolist() == [1.5, 1.5]
    assert series.displacement()[:, 2, 2].tolist() == [0, 0.25, 2.25]
    assert series.alive().tolist() == [[True, True], [True, True], [True, False]]
    assert series.cell_field("plastic_strain")[0].tolist() == [0.25, 0.5]
    assert len(open_series(tmp_path / "crashA010.vtk")) == 1


def test_refuses_damaged_numbers_of_runs(tmp_path):
    VtkSeriesReader.write_sample(tmp_path / "run.vtp")
    features = tmp_path / "global_features.json"
    features.write_text(json.dumps({"run": {"speed": 3}, "other": {"speed": 4}}))
    assert open_series(tmp_path / "run.vtp").features == {"speed": 3.0}
    for text in ("{", '{"run": {"speed": "fast"}}', "[1]"):
        features.write_text(text)
        with pytest.raises(ReadError, match="not JSON with numbers"):
            open_series(tmp_path / "run.vtp")


POINTS = np.array([[0.0, 0, 0], [8, 0, 0], [8, 6, 0], [0, 6, 1], [16, 0, 0]])


def test_a_store_without_cells_is_a_graph(tmp_path):
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
def test_refuses_bad_stores(tmp_path, name, values, rule):
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


def test_refuses_missing_chunks_and_stores_that_inflate_too_much(tmp_path):
    write_series(tmp_path / "run.zarr", sample_series())
    (tmp_path / "run.zarr" / "mesh_pos" / "1.0.0").unlink()
    series = open_series(tmp_path / "run.zarr")
    assert np.isfinite(series.read(0).displacement).all()
    with pytest.raises(ReadError, match="state 1 holds NaN"):
        series.read(1)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mesh_pos/0.0.0", bytes(80 << 20))
    with pytest.raises(ReadError, match="inflate"):
        open_series(tmp_path / "bomb.zip")
