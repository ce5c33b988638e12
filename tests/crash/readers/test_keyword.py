"""Keyword decks: real decks, all card formats, and damage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import lsdyna_mesh_reader
import numpy as np
import pytest
from case_table import table

from scionwood import ReadError, WriteError
from scionwood_crash.readers.deck_parameters import evaluated
from scionwood_crash.readers.keyword import KeywordReader

pytestmark = [
    pytest.mark.filterwarnings("ignore:.* ELEMENT_.* are left out:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*JOINT_SCREW are not read as links:UserWarning"),
]
EXAMPLES = Path(lsdyna_mesh_reader.__file__).parent / "examples"
NODES = "*NODE\n1,0,0,0\n2,10,0,0\n3,10,10,0\n4,0,10,0\n"
SHELL = "*ELEMENT_SHELL\n7,3,1,2,3,4\n"
PART = "*PART\nfloor\n3,5,6\n*SECTION_SHELL\n5,2\n1.25,1.25,1.25,1.25\n"

Write = Callable[..., Path]


@pytest.fixture
def deck(tmp_path: Path) -> Write:
    def write(*parts: str, name: str = "deck.k", end: str = "*END\n") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("*KEYWORD\n" + "".join(parts) + end)
        return path

    return write


@table(
    ("name", "nodes", "shells", "triangles", "parts", "thickness"),
    [
        ("wheel.k", 11825, 11553, 0, 1, 2.5),
        ("bird.k", 5185, 960, 0, 1, 0.003),
        ("EXP_SC_JOINT_SCREW.key", 4576, 4000, 28, 8, 2.0),
        ("bracket.k", 1972, 1865, 54, 1, 2.5),
        ("birdball.k", 1281, 100, 0, 1, 0.02),
    ],
)
def test_real_decks_have_the_right_counts(name, nodes, shells, triangles, parts, thickness):
    mesh = KeywordReader(EXAMPLES / name).mesh
    assert (len(mesh.points), len(mesh.cells)) == (nodes, shells)
    assert int(mesh.triangles.sum()) == triangles
    assert len(np.unique(mesh.part_ids)) == parts
    assert mesh.thickness == pytest.approx(np.full(shells, thickness))


@table("name", ["wheel.k", "bird.k", "bracket.k"])
def test_agrees_with_an_independent_parser(name):
    mesh, other = KeywordReader(EXAMPLES / name).mesh, lsdyna_mesh_reader.Deck(str(EXAMPLES / name))
    (nodes,), (shells,) = other.node_sections, other.element_shell_sections
    assert np.array_equal(mesh.node_ids, nodes.nid)
    assert np.allclose(mesh.points, nodes.coordinates, rtol=1e-12, atol=0)
    assert np.array_equal(mesh.element_ids, shells.eid)
    assert np.array_equal(mesh.part_ids, shells.pid)
    named = [shells.node_ids[at : at + 4] for at in shells.node_id_offsets[:-1]]
    assert np.array_equal(mesh.node_ids[mesh.cells[:, :3]], [row[:3] for row in named])


def test_refuses_a_deck_without_shells():
    with pytest.raises(ReadError, match=r"no shells, only ELEMENT_TSHELL"):
        KeywordReader(EXAMPLES / "ex_13_thick_shell_elform_2.k")


def test_all_card_formats_give_the_same_mesh(deck):
    rows = [(1, 0.0, 0.0, 0.0), (2, 10.0, 0.0, 0.5), (3, 10.0, 10.0, 0.0), (4, 0.0, 10.0, 0.0)]
    shell = (7, 3, 1, 2, 3, 4)

    def text(form: str, node: int, xyz: int, width: int) -> str:
        nodes = "".join(
            f"{n:{node}d}" + "".join(f"{v:{xyz}.6f}" for v in values) + "\n" for n, *values in rows
        )
        cells = "".join(f"{value:{width}d}" for value in shell)
        return f"*NODE{form}\n{nodes}*ELEMENT_SHELL{form}\n{cells}\n"

    meshes = [
        KeywordReader(deck(text(form, *widths), PART, name=f"{index}.k")).mesh
        for index, (form, widths) in enumerate(
            {"": (8, 16, 8), " %": (10, 16, 10), "+": (20, 20, 20)}.items()
        )
    ]
    commas = "*NODE\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)
    meshes.append(KeywordReader(deck(commas, SHELL, PART, name="csv.k")).mesh)
    for mesh in meshes:
        assert np.array_equal(mesh.points, meshes[0].points)
        assert (mesh.element_ids.tolist(), mesh.part_ids.tolist()) == ([7], [3])
        assert mesh.cells.tolist() == [[0, 1, 2, 3]]


def test_reads_triangles_with_a_missing_or_repeated_node(deck):
    path = deck(NODES, "*ELEMENT_SHELL\n1,3,1,2,3,0\n2,3,1,3,4,4\n", PART)
    assert KeywordReader(path).mesh.cells.tolist() == [[0, 1, 2, 2], [0, 2, 3, 3]]


def test_thickness_of_an_element_overrides_that_of_its_section(deck):
    own = "*ELEMENT_SHELL_THICKNESS\n8,3,1,2,3,4\n2.0,2.0,3.0,3.0,0.0\n"
    mesh = KeywordReader(deck(NODES, SHELL, own, PART)).mesh
    assert mesh.thickness.tolist() == [1.25, 2.5]


def test_skips_titles_and_composites_of_sections(deck):
    section = "*SECTION_SHELL_TITLE\nroof\n4,2,1.0,3,0,0,1\n9,9,9,9\n0,90,0\nfloor\n5,2\n0.8\n"
    part = "*PART\nfloor\n3,5,6\n"
    assert KeywordReader(deck(NODES, SHELL, part, section)).mesh.thickness.tolist() == [0.8]


def test_parts_of_rigid_materials_are_rigid(deck):
    rigid = "*MAT_RIGID_TITLE\ndummy\n6,7.8e-6,210,0.3\n"
    assert KeywordReader(deck(NODES, SHELL, PART, rigid)).mesh.rigid_parts == {3}
    assert not KeywordReader(deck(NODES, SHELL, PART)).mesh.rigid_parts


def test_follows_includes_in_the_folder(deck):
    deck(NODES, name="sub/nodes.k")
    mesh = KeywordReader(deck("*INCLUDE\nsub/nodes.k\n", SHELL, PART)).mesh
    assert len(mesh.points) == 4


@table(
    ("include", "rule"),
    [
        ("*INCLUDE\n../secret.k\n", "outside the folder of the deck"),
        ("*INCLUDE\n/etc/hostname\n", "outside the folder of the deck"),
        ("*INCLUDE\nnone.k\n", "does not exist"),
        ("*INCLUDE\ndeck.k\n", "includes itself"),
        ("*INCLUDE_TRANSFORM\nnone.k\n0\n0\n0\n0\n", "does not exist"),
        ("*INCLUDE_STAMPED_PART\nnodes.k\n", r"\*INCLUDE_STAMPED_PART is not supported"),
    ],
)
def test_refuses_other_includes(deck, include, rule):
    with pytest.raises(ReadError, match=rule):
        KeywordReader(deck(include, NODES, SHELL, PART))


@table(
    ("parts", "rule"),
    [
        ((NODES, SHELL), "1 of 1 shells have no thickness"),
        ((NODES, "1,0,0,1\n", SHELL, PART), "node 1 occurs 2 times"),
        ((NODES, SHELL, "7,3,1,2,3,4\n", PART), "element 7 occurs 2 times"),
        ((NODES, "*ELEMENT_SHELL\n7,3,1,2,3,99\n", PART), "element 7 names a node that does not"),
        ((NODES, "*ELEMENT_SHELL\n7,3,1,2,2,2\n", PART), "element 7 has fewer than three nodes"),
        ((NODES, "*ELEMENT_SHELL\n7,3,1,2,4,3\n", PART), "element 7 has crossed sides"),
        ((NODES, "5,20,0,0\n*ELEMENT_SHELL\n7,3,1,2,5,5\n", PART), "element 7 has no area"),
        ((NODES, "5,nan,0,0\n", SHELL, PART), "node 5 has a coordinate that is NaN"),
        ((NODES, "5,&x,0,0\n", SHELL, PART), "'&x' instead of a number.*known parameters: none"),
        ((NODES, "*ELEMENT_SHELL_COMPOSITE\n7,3,1,2,3,4\n", PART), "COMPOSITE is not supported"),
        ((SHELL, PART), r"it has no \*NODE"),
    ],
)
def test_refuses_bad_decks(deck, parts, rule):
    with pytest.raises(ReadError, match=rule):
        KeywordReader(deck(*parts))


def test_reads_a_deck_without_its_end_unless_a_line_is_cut(deck):
    path = deck(NODES, SHELL, PART, end="")
    with pytest.warns(UserWarning, match=r"\*END is missing; read to the end of the file"):
        assert len(KeywordReader(path).mesh.cells) == 1
    path.write_text(path.read_text().rstrip("\n")[:-2])
    with pytest.raises(ReadError, match=r"\*END is missing, and the last line is not complete"):
        KeywordReader(path)


TRANSFORM = """*DEFINE_TRANSFORMATION
1
ROTATE,0.0,0.0,1.0,1.0,0.0,0.0,90.0
*DEFINE_TRANSFORMATION
2
TRANSL,1.0,0.0,0.0
ROTATE,0.0,0.0,1.0,1.0,0.0,0.0,90.0
"""


def included(number: int) -> str:
    offsets = "100,200,300,400,0\n500\n0.0,0.0,2.0\n"
    return f"{TRANSFORM}*INCLUDE_PATH\nsub\n*INCLUDE_TRANSFORM\npiece.k\n{offsets}{number}\n"


def test_a_transformed_include_has_its_own_numbers_and_place(deck):
    deck(NODES, SHELL, PART, name="sub/piece.k")
    mesh = KeywordReader(deck(included(1), NODES, SHELL, PART)).mesh
    own = KeywordReader(deck(NODES, SHELL, PART, name="plain.k")).mesh
    count = len(own.points)
    assert mesh.points[count:].tolist() == own.points.tolist()
    x, y, z = 2 * own.points.T  # lengths are doubled before the rotation about (1, 0)
    turned = np.stack([1 - y, x - 1, z], 1)
    np.testing.assert_allclose(mesh.points[:count], turned, atol=1e-12)
    assert mesh.node_ids.tolist() == [*(own.node_ids + 100), *own.node_ids]
    assert (mesh.element_ids.tolist(), mesh.part_ids.tolist()) == ([207, 7], [303, 3])
    assert mesh.thickness.tolist() == [2.5, 1.25]


def test_an_order_of_transformations_that_matters_is_refused(deck):
    deck(NODES, SHELL, PART, name="sub/piece.k")
    with pytest.raises(ReadError, match=r"the order of .*TRANSL, ROTATE\) matters"):
        KeywordReader(deck(included(2), NODES, SHELL, PART))
    with pytest.raises(ReadError, match="7 is not defined before its use"):
        KeywordReader(deck(included(7), NODES, SHELL, PART))


def test_parameters_are_values_and_expressions(deck):
    named = "*PARAMETER\nR    thick       1.5I      id         3\n"
    named += "*PARAMETER_EXPRESSION\nRdouble   2*&thick + sqrt(4)\n"
    section = "*PART\nroof\n&id,4,6\n*SECTION_SHELL\n4,2\n&double,-&thick\n"
    mesh = KeywordReader(deck(named, NODES, SHELL, section)).mesh
    assert (mesh.part_ids.tolist(), mesh.thickness.tolist()) == ([3], [5.0])
    evil = "*PARAMETER_EXPRESSION\nRthick    __import__('os').getpid()\n"
    with pytest.raises(ReadError, match="'&thick' instead of a number"):
        KeywordReader(
            deck(evil, NODES, SHELL, section.replace("&double", "&thick").replace("&id", "3"))
        )


@table("text, value", [("nint(2.5)", 3.0), ("nint(-2.5)", -3.0), ("nint(2.4)", 2.0)])
def test_a_half_is_rounded_away_from_zero_as_in_fortran(text, value):
    assert evaluated(text, {}) == value


@table(
    ("more", "said"),
    [
        (
            "-----BEGIN PGP MESSAGE-----\nhQEOA5vXQ\n*NODE\n-----END PGP MESSAGE-----\n",
            "1 encrypted blocks are left out",
        ),
        ("*ELEMENT_SOLID\n9,3,1,2,3,4,4,4,4,4\n", "1 ELEMENT_SOLID are left out"),
    ],
)
def test_what_is_left_out_is_named(deck, more, said):
    with pytest.warns(UserWarning, match=said):
        assert len(KeywordReader(deck(NODES, SHELL, more, PART)).mesh.cells) == 1


def test_the_user_states_units_and_missing_thickness(deck):
    reader = KeywordReader(deck(NODES, SHELL), units="ton, mm, s", thickness=1.5)
    assert str(reader.mesh.units) == "mm, s, t"
    assert reader.mesh.thickness.tolist() == [1.5]
    with pytest.raises(ReadError, match="one length, one time and one mass"):
        KeywordReader(deck(NODES, SHELL), units="mm, mm, s")
    with pytest.raises(ReadError, match="it must be positive"):
        KeywordReader(deck(NODES, SHELL), thickness=-1.0)


def test_rewriting_changes_only_moved_nodes(tmp_path):
    target = tmp_path / "moved.k"
    source = EXAMPLES / "bracket.k"

    def move(record: object) -> np.ndarray:
        after = record.data.copy()
        after[5, 2] += 0.5
        return after

    KeywordReader(source).rewrite(target, move)
    before, after = (p.read_bytes().split(b"\n") for p in (source, target))
    changed = [i for i, (x, y) in enumerate(zip(before, after, strict=True)) if x != y]
    assert len(changed) == 1
    expected = KeywordReader(source).mesh.points
    expected[5, 2] += 0.5
    assert KeywordReader(target).mesh.points == pytest.approx(expected, abs=1e-9)


def test_refuses_to_rewrite_included_nodes(deck, tmp_path):
    deck(NODES, name="nodes.k")
    path = deck("*INCLUDE\nnodes.k\n", SHELL, PART)
    with pytest.raises(WriteError, match="included files"):
        KeywordReader(path).rewrite(tmp_path / "out.k", lambda record: record.data)
    assert not (tmp_path / "out.k").exists()
