"""Welds and ties of keyword decks: cards, sets, includes, and what is named as not read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from case_table import table

from scionwood import ReadError, cli
from scionwood_crash.data.encode import Encoder
from scionwood_crash.data.user_settings import RunSettings, open_run
from scionwood_crash.model import SIZES
from scionwood_crash.parts.closest import nearest_cells
from scionwood_crash.parts.links import groups_of
from scionwood_crash.parts.series import Setup, from_series, only_part
from scionwood_crash.readers import open_series, write_series
from scionwood_crash.readers.keyword import KeywordReader
from scionwood_crash.solver.model import TIE, WELD

GAP = 1.4
PARTS = "*PART\nlow\n1,1,1\n*PART\nhigh\n2,1,1\n*SECTION_SHELL\n1,2\n1.2,1.2,1.2,1.2\n"

Write = Callable[..., Path]


def sheet(number: int, first: int, height: float, side: float, counts: tuple[int, int]) -> str:
    """Return the cards of a flat sheet of quads: nodes row by row from `first`, one part."""
    long, wide = counts
    rows = ["*NODE"]
    for at in range((long + 1) * (wide + 1)):
        x, y = divmod(at, wide + 1)
        rows.append(f"{first + at},{side * x},{side * y},{height}")
    rows.append("*ELEMENT_SHELL")
    for at in range(long * wide):
        x, y = divmod(at, wide)
        a = first + x * (wide + 1) + y
        rows.append(f"{first + at},{number},{a},{a + wide + 1},{a + wide + 2},{a + 1}")
    return "\n".join(rows) + "\n"


LOW, HIGH = sheet(1, 1, 0.0, 10.0, (12, 4)), sheet(2, 101, GAP, 8.0, (15, 5))


@pytest.fixture
def deck(tmp_path: Path) -> Write:
    def write(*cards: str, name: str = "deck.k", sheets: str = LOW + HIGH) -> Path:
        path = tmp_path / name
        path.write_text("*KEYWORD\n" + PARTS + sheets + "".join(cards) + "*END\n")
        return path

    return write


def links(path: Path) -> set[tuple[int, int, int]]:
    """Return the links of a deck: the numbers of both nodes, and the kind."""
    mesh = KeywordReader(path).mesh
    assert mesh.links is not None
    nodes, kinds = mesh.links
    return {(*pair, kind) for pair, kind in zip(mesh.node_ids[nodes].tolist(), kinds, strict=True)}


WELDS = {(2, 101, WELD), (7, 107, WELD)}
BODY = {(2, 101, WELD)}
"""Node 500 is in no shell."""
NEAR = {101: (1, 6, 7, 2), 196: (59, 64, 65, 60)}
TIES = {(low, high, TIE) for high, near in NEAR.items() for low in near}
"""Nodes 101 and 196 are opposite corners of the upper sheet, above shells 1 and 48."""


@table(
    ("cards", "wanted"),
    [
        ("*CONSTRAINED_SPOTWELD\n2,101\n         7       107\n", WELDS),
        ("*CONSTRAINED_SPOTWELD_ID\n901\n2,101,1.25\n902\n7,107\n", WELDS),
        ("*CONSTRAINED_SPOTWELD_FILTERED_FORCE\n2,101\n3,0.1\n7,107\n3,0.1\n", WELDS),
        ("*SET_NODE_LIST\n9\n2,101,500\n*CONSTRAINED_NODAL_RIGID_BODY\n77,0,9\n", BODY),
        (
            "*SET_NODE_TITLE\na bolt\n9\n2,101\n"
            "*CONSTRAINED_NODAL_RIGID_BODY_TITLE\nbolt\n77,0,9\n",
            BODY,
        ),
        (
            "*SET_NODE_LIST_GENERATE\n9\n2,2,101,101\n"
            "*CONSTRAINED_NODAL_RIGID_BODY_INERTIA\n77,0,9\n"
            "1,2,3,4,1\n1,1,1\n0,0,0\n5\n78,0,9\n1,2,3,4,0\n1,1,1\n0,0,0\n",
            BODY,
        ),
        ("*CONTACT_TIED_NODES_TO_SURFACE\n4,1,4,3\n*SET_NODE_LIST\n4\n101,196\n", TIES),
        (
            "*CONTACT_TIED_SHELL_EDGE_TO_SURFACE_BEAM_OFFSET_ID\n5,a tie\n4,2,4,2\n"
            "*SET_NODE_LIST\n4\n101,196\n*SET_PART_LIST\n2\n1\n",
            TIES,
        ),
        (
            "*CONTACT_TIED_SURFACE_TO_SURFACE_TITLE\na tie\n4,2,4,0\n"
            "*SET_NODE_LIST\n4\n101,196\n*SET_SEGMENT\n2\n1,6,7,2\n59,64,65,60\n",
            TIES,
        ),
        (
            "*CONTACT_TIED_SURFACE_TO_SURFACE\n4,2,4,1\n"
            "*SET_NODE_LIST\n4\n101,196\n*SET_SHELL_LIST\n2\n1,48\n",
            TIES,
        ),
    ],
)
def test_welds_rigid_bodies_and_tied_contacts_link_nodes(deck, cards, wanted):
    assert links(deck("*NODE\n500,0,0,5\n", cards)) == wanted


@pytest.mark.parametrize(
    ("gap", "tied"), [(1.4, True), (1.5, False)], ids=["within", "beyond the tolerance"]
)
@pytest.mark.filterwarnings("ignore:.*join no two pieces")
def test_the_tolerance_of_a_tie_is_a_share_of_the_thickness(deck, gap, tied):
    """0.6 (1.2 + 1.2) = 1.44 mm; 0.05 of the diagonal of a shell of 10 mm is 0.71 mm."""
    sheets = LOW + sheet(2, 101, gap, 8.0, (15, 5))
    path = deck("*CONTACT_TIED_SURFACE_TO_SURFACE\n2,1,3,3\n", sheets=sheets)
    found = KeywordReader(path).mesh.links
    assert (found is not None) == tied
    assert found is None or len(np.unique(found.nodes[:, 1])) == 96, "every node of the sheet"


def test_an_include_with_offsets_brings_its_welds(deck, tmp_path):
    (tmp_path / "part.k").write_text(
        "*KEYWORD\n" + PARTS + LOW + HIGH + "*CONSTRAINED_SPOTWELD\n2,101\n"
        "*SET_NODE_LIST\n9\n7,107\n*CONSTRAINED_NODAL_RIGID_BODY\n77,0,9\n"
        "*CONTACT_TIED_NODES_TO_SURFACE\n8,1,4,3\n*SET_NODE_LIST\n8\n196\n*END\n"
    )
    main = tmp_path / "main.k"
    moved = "*INCLUDE_TRANSFORM\npart.k\n1000,1000,50,0,3\n\n\n\n"
    main.write_text("*KEYWORD\n*INCLUDE\npart.k\n" + moved + "*END\n")
    own = {(2, 101, WELD), (7, 107, WELD), *((low, 196, TIE) for low in (59, 60, 64, 65))}
    assert links(main) == own | {(a + 1000, b + 1000, kind) for a, b, kind in own}


@table(
    ("cards", "said"),
    [
        ("*CONSTRAINED_SPOTWELD\n2,3\n2,101\n", "1 of 2 CONSTRAINED_SPOTWELD join no two"),
        ("*CONSTRAINED_NODAL_RIGID_BODY\n77,0,9\n", "1 of 1 CONSTRAINED_NODAL_RIGID_BODY"),
        ("*SET_NODE_GENERAL\n9\nALL\n*CONSTRAINED_NODAL_RIGID_BODY\n7,0,9\n", "1 of 1 CONST"),
        ("*CONSTRAINED_JOINT_SPHERICAL_ID\n1\n2,101\n", "1 CONSTRAINED_JOINT_SPHERICAL are not"),
        ("*CONTACT_SPOTWELD\n2,1,2,2\n", "1 CONTACT_SPOTWELD are not read as links"),
        ("*CONTACT_TIED_SURFACE_TO_SURFACE\n4,2,0,1\n", "1 of 1 CONTACT_TIED join no"),
        ("*CONTACT_TIED_NODES_TO_SURFACE\n4,0,4,5\n", "1 CONTACT_TIED_NODES_TO_SURFACE are not"),
    ],
    ids=["one piece", "no set", "other set", "joint", "spotweld contact", "no sides", "all parts"],
)
def test_connections_that_are_not_read_are_named(deck, cards, said):
    with pytest.warns(UserWarning, match=said):
        KeywordReader(deck(cards))


def test_a_range_without_end_is_refused(deck):
    with pytest.raises(ReadError, match=r"a set lists the numbers 1 to 999999999"):
        KeywordReader(deck("*SET_NODE_LIST_GENERATE\n9\n1,999999999\n"))


def test_welded_pieces_of_a_deck_have_the_strength_of_the_whole(deck):
    path = deck("*CONSTRAINED_SPOTWELD\n2,101\n", "*NODE\n400,0,0,9\n")
    part = from_series(open_series(path), Setup(clamped="ends"))
    assert part.links.kinds.tolist() == [WELD]
    pieces = np.repeat([0, 1], [65, 96])
    assert groups_of(pieces, part.links).tolist() == [0, 0]
    power = Encoder(SIZES["tiny"]).encode(part).graph.condition[:, -8:]
    loose = Encoder(SIZES["tiny"]).encode(replace(part, links=None)).graph.condition[:, -8:]
    assert np.allclose(power[0], power[1])
    assert not np.allclose(loose[0], power[0])
    assert from_series(only_part(open_series(path), 2), Setup(clamped="ends")).links is None


def test_a_d3plot_takes_its_welds_from_its_deck(deck, tmp_path, capsys):
    mesh = replace(open_series(deck("*CONSTRAINED_SPOTWELD\n2,101\n7,107\n")).mesh, links=None)
    moved = np.linspace(0, 1, 3)[:, None, None] * np.where(mesh.points[:, :1] > 50, -1.0, 0.0)
    history = type(open_series(tmp_path / "deck.k")).from_arrays(
        mesh, np.arange(3.0), np.repeat(moved, 3, axis=2)
    )
    run = tmp_path / "run" / "d3plot"
    run.parent.mkdir()
    write_series(run, history)
    assert open_run(run, RunSettings()).mesh.links is None
    own = open_run(run, RunSettings(mesh=str(tmp_path / "deck.k"))).mesh
    assert own.node_ids[own.links.nodes].tolist() == [[2, 101], [7, 107]]
    options = ["--held", "still", "--mesh", str(tmp_path / "deck.k")]
    assert cli.main(["crash", "inspect", str(run.parent), *options]) == 0
    assert "an assembly of 2 pieces, 2 links of kind weld" in capsys.readouterr().out
    assert cli.main(["crash", "inspect", str(run.parent), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"][0]["values"]["links"] == {}
    other = deck(
        "*CONSTRAINED_SPOTWELD\n1,101\n",
        name="moved.k",
        sheets=LOW.replace(",0.0,0.0\n", ",1.0,0.0\n") + HIGH,
    )
    with pytest.raises(ReadError, match=r"nodes lie up to"):
        open_run(run, RunSettings(mesh=str(other)))


def test_the_nearest_cell_by_distance():
    corners = np.array(
        [
            [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]],
            [[2, 0, 0], [3, 0, 0], [3, 1, 0], [3, 1, 0]],
        ],
        float,
    )
    at = np.array([[0.5, 0.5, 2.0], [-1.0, 0.5, 0.0], [2.0, 1.0, 0.0], [3.0, 2.0, 0.0]])
    cell, away = nearest_cells(at, corners)
    assert cell.tolist() == [0, 0, 1, 1]
    assert away == pytest.approx([2.0, 1.0, np.sqrt(0.5), 1.0])
