"""Decks of Nastran, OptiStruct and Radioss."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from case_table import table

from scionwood import ReadError, WriteError
from scionwood_crash.parts.part import Part
from scionwood_crash.parts.series import to_series
from scionwood_crash.readers import open_series, write_series
from scionwood_crash.readers.radioss_write import write_mesh_deck
from scionwood_crash.readers.sample import sample_series

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


def bulk(path: Path) -> Path:
    # Windows writes three dots as a byte that some take for the end of a line.
    path.write_bytes(BULK.encode() + b"$ one\x85PSHELL,4,1,9.\nENDDATA\n")
    return path


@table("suffix", [".fem", ".bdf", ".nas"])
def test_shells_have_their_own_property_number_and_thickness(tmp_path, suffix):
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
        (("ENDDATA\n", ""), "ENDDATA is missing"),
        ((BULK, "BEGIN BULK\nGRID,1,,0.,0.,0.\nCTETRA,1,1,1,1,1,1\n"), "no shell elements"),
        (("0.5\nCROD", "0.5\n                     0     1.1     1.1\nCROD"), "10 .CQUAD4. goes"),
        (("CTRIA3,22,9,12,15,13", "CTRIA3,22,9,12,15,13\n+,,,0,1.1,1.1,1.1"), "thicknesses of its"),
        (("PSHELL,9,1,0.8", "INCLUDE 'more.fem'"), "INCLUDE is not supported|cannot be read"),
    ],
)
def test_bad_bulk_data_are_refused(tmp_path, change, rule):
    path = bulk(tmp_path / "a.fem")
    path.write_text(path.read_text("latin-1").replace(*change), "latin-1")
    with pytest.raises(ReadError, match=rule):
        open_series(path)


def test_a_deck_holds_the_mesh_the_sheet_and_the_impactor(part, tmp_path):
    design = part("bumper", size=60.0)
    still = np.zeros((len(design.times), len(design.points), 3))
    series = to_series(Part(**{**vars(design), "displacement": still}))
    write_series(tmp_path / "b_0000.rad", series)
    mesh = open_series(tmp_path / "b_0000.rad").mesh
    count = len(series.mesh.points)
    np.testing.assert_allclose(mesh.points[:count], series.mesh.points, rtol=1e-7, atol=1e-7)
    assert np.array_equal(mesh.cells, series.mesh.cells)
    assert np.array_equal(mesh.node_ids[:count], series.mesh.node_ids)
    assert mesh.thickness == pytest.approx(series.mesh.thickness)
    assert str(mesh.units) == "mm, ms, kg"
    assert mesh.points[count] == pytest.approx(design.impactor.point), "the node of the wall"
    lines = (tmp_path / "b_0000.rad").read_text().splitlines()
    wall = lines.index("/RWALL/CYL/1")
    mass, *velocity = map(float, lines[wall + 4].split())
    assert mass == pytest.approx(design.impactor.mass)
    assert np.linalg.norm(velocity) == pytest.approx(design.impactor.speed)
    assert float(lines[wall + 3].split()[2]) == pytest.approx(2 * design.impactor.radius)
    law = lines.index("/MAT/PLAS_JOHNS/1")
    constants = [float(each) for each in lines[law + 4].split()[:3]]
    sheet = design.material
    assert constants == pytest.approx([sheet.yield_stress, sheet.hardening, sheet.exponent])
    held = lines[lines.index("/GRNOD/NODE/1") + 2 : lines.index("/BCS/1")]
    assert sum(len(line.split()) for line in held) == int(design.clamped.sum())
    engine = (tmp_path / "b_0001.rad").read_text().splitlines()
    assert float(engine[1]) == pytest.approx(design.duration)


def test_parts_triangles_and_thickness_come_back(tmp_path):
    mesh = sample_series().mesh
    write_mesh_deck(mesh, tmp_path / "a.rad")
    again = open_series(tmp_path / "a.rad").mesh
    order = np.argsort(again.element_ids)
    assert np.array_equal(again.element_ids[order], np.sort(mesh.element_ids))
    by_number = np.argsort(mesh.element_ids)
    assert np.array_equal(again.cells[order], mesh.cells[by_number])
    assert np.array_equal(again.part_ids[order], mesh.part_ids[by_number])
    assert again.thickness[order] == pytest.approx(mesh.thickness[by_number])


@table(
    ("change", "rule"),
    [
        (("/END", "/ENE"), "/END is missing"),
        (("/NODE", "#include other.inc\n/NODE"), "the include 'other.inc' does not exist"),
        (("/NODE\n", "/NODE\n         x\n"), r"line 8 \(/NODE\) cannot be read"),
        (("/NODE\n", "/NOTE\n"), "it has no .NODE or /NODE"),
    ],
)
def test_bad_decks_are_refused(tmp_path, change, rule):
    path = tmp_path / "a.rad"
    write_mesh_deck(sample_series().mesh, path)
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(ReadError, match=rule):
        open_series(path)


def test_other_elements_are_named_and_a_starter_deck_has_its_usual_name(tmp_path):
    path = tmp_path / "a.rad"
    write_mesh_deck(sample_series().mesh, path)
    path.write_text(path.read_text().replace("/END", "/BRICK/4\n  1  2  3\n/END"))
    with pytest.warns(UserWarning, match="1 BRICK are left out"):
        open_series(path)
    with pytest.raises(WriteError, match=r"ends in _0000\.rad"):
        write_series(tmp_path / "b.rad", sample_series())


def test_files_of_femzip_are_named(tmp_path):
    (tmp_path / "run.fz").write_bytes(b"\x01\x02")
    (tmp_path / "d3plot.bin").write_bytes(b"FEMZIP-L 10.2\0\0")
    for name in ("run.fz", "d3plot.bin"):
        with pytest.raises(ReadError, match="compressed by FEMZIP, whose format is not open"):
            open_series(tmp_path / name)
