"""What decks say of the impact and the sheets, and that the same crash gives the same numbers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from case_table import table

from scionwood import cli
from scionwood_crash.data.user_settings import RunSettings, open_run
from scionwood_crash.parts.mesh import Frame
from scionwood_crash.parts.series import Setup, from_series, to_series
from scionwood_crash.readers import open_reader, open_series, write_series
from scionwood_crash.readers.deck_sheets import ludwik
from scionwood_crash.readers.deck_table import DYNA_KEYWORDS, RADIOSS_KEYWORDS

SHEET = """*PART
plate
3,5,6
*SECTION_SHELL
5,2
1.5,1.5,1.5,1.5
*NODE
1,0,0,0
2,10,0,0
3,10,10,0
4,0,10,0
5,20,0,0
6,20,10,0
*ELEMENT_SHELL
1,3,1,2,3,4
2,3,2,5,6,3
"""
STEEL = "*MAT_PLASTIC_KINEMATIC\n6,7.85E-6,210,.3,.35,2\n"
HELD = "*SET_NODE_LIST\n9\n1,4\n*BOUNDARY_SPC_SET\n9,0,1,1,1\n"
WALL = "*RIGIDWALL_PLANAR_MOVING_ID\n1\n0,0,0\n10,5,8,10,5,0,.1\n25,7\n"
FLYING = """*SET_NODE_LIST
9
1,4
*CONSTRAINED_NODAL_RIGID_BODY_INERTIA
1,0,9
0,0,0,25
1,0,0,1,0,1
0,0,0
*INITIAL_VELOCITY
0,0,0
0,0,7
*RIGIDWALL_PLANAR
0,0,0
10,5,8,10,5,0,.1
"""


def deck(path: Path, *cards: str) -> Path:
    path.write_text("*KEYWORD\n" + SHEET + "".join(cards) + "*END\n")
    return path


@pytest.mark.usefixtures("inline")
def test_a_fixed_wall_and_a_moving_wall_are_the_same_impact(tmp_path):
    moving = from_series(open_series(deck(tmp_path / "a.k", STEEL, HELD, WALL)), Setup())
    flying = from_series(open_series(deck(tmp_path / "b.k", STEEL, FLYING)), Setup())
    assert moving.impactor == flying.impactor
    assert (moving.impactor.kind, moving.impactor.speed, moving.impactor.mass) == ("plane", 7, 25)
    assert moving.impactor.direction == (0, 0, -1)
    assert (
        moving.clamped.tolist() == flying.clamped.tolist() == [True, False, False, True] + [0] * 2
    )
    assert moving.material.yield_stress == 0.35
    assert moving.material.hardening == pytest.approx(2 * 210 / 208)


SPHERE = "*RIGIDWALL_GEOMETRIC_SPHERE_MOTION\n0\n10,5,30,10,5,0\n20\n0,0,0,0,-4\n"
POLE = "*RIGIDWALL_GEOMETRIC_CYLINDER_MOTION\n0\n10,0,30,10,9,30\n20\n0,0,0,0,-4\n"
OBLIQUE = "*RIGIDWALL_PLANAR_MOVING\n0\n10,5,8,14,5,5\n25,5\n"


@pytest.mark.usefixtures("inline")
@table(
    ("wall", "states"),
    [
        (SPHERE, {"sphere": 1, "radius": 20, "speed": 4}),
        (POLE, {"cylinder": 1, "axis_y": 9}),
        (OBLIQUE, {"direction_x": 0.8, "direction_z": -0.6}),
    ],
    ids=["sphere", "cylinder", "oblique"],
)
def test_obstacles_of_all_shapes(tmp_path, wall, states):
    features = open_reader(deck(tmp_path / "a.k", STEEL, HELD, wall)).features()
    assert {name: pytest.approx(features[f"impactor_{name}"]) for name in states} == states


CURVE = "*DEFINE_CURVE\n8,0,1,.001\n0,300\n.1,400\n.2,500\n"


@pytest.mark.usefixtures("inline")
@table(
    ("material", "constants"),
    [
        ("*MAT_098\n6,7.85E-6,210,.3\n.3,.5,.4\n", (0.3, 0.5, 0.4)),
        (CURVE + "*MAT_024\n6,7.85E-6,210,.3\n0,0,8\n", (0.3, 1, 1)),
        ("*MAT_024\n6,7.85E-6,210,.3\n0\n0,.1\n.3,.4\n", (0.3, 1, 1)),
        ("*MAT_ELASTIC\n6,7.85E-6,210,.3\n", None),
    ],
    ids=["Johnson-Cook", "curve", "points", "elastic"],
)
def test_sheets_get_the_law_of_ludwik(tmp_path, material, constants):
    features = open_reader(deck(tmp_path / "a.k", material, HELD)).features()
    names = ("material_yield_stress", "material_hardening", "material_exponent")
    if constants is None:
        assert not features
    else:
        assert [features[name] for name in names] == pytest.approx(constants)


def test_a_fit_finds_the_constants_of_its_own_law():
    strains = np.linspace(0, 0.4, 30)
    assert ludwik(np.stack([strains, 0.3 + 0.6 * strains**0.35], 1)) == pytest.approx(
        (0.3, 0.6, 0.35)
    )


@pytest.mark.usefixtures("inline")
def test_units_are_those_in_which_the_sheets_are_metal(tmp_path):
    assert str(open_series(deck(tmp_path / "a.k", STEEL)).mesh.units) == "mm, ms, kg"
    tonnes = "*MAT_RIGID\n6,2.7E-9,70000,.3\n"
    assert str(open_series(deck(tmp_path / "b.k", tonnes)).mesh.units) == "mm, s, t"
    assert not open_series(deck(tmp_path / "c.k", "*MAT_RIGID\n6,1,1,.3\n")).mesh.units.known
    path = tmp_path / "a.k"
    assert open_series(path, units="m, s, kg").mesh.units.length == "m"  # the user knows better


def test_inspect_counts_what_is_understood_and_what_is_left_out(tmp_path, capsys):
    free = "*LOAD_BODY_Z\n0,9.81\n"
    path = deck(tmp_path / "a.k", STEEL, WALL, free)
    cli.main(["crash", "inspect", str(path)])
    text = capsys.readouterr().out
    assert "understood: 1 ELEMENT_SHELL, 1 MAT_PLASTIC_KINEMATIC, 1 NODE, 1 PART" in text
    assert "left out: 1 LOAD_BODY_Z" in text
    assert "missing: clamped" in text
    assert "the part is free" in text
    cli.main(["crash", "inspect", str(tmp_path), "--json"])
    (content,) = json.loads(capsys.readouterr().out)["decks"]
    assert content["states"]["impactor_speed"] == 7


@pytest.mark.usefixtures("inline")
def test_a_deck_of_radioss_states_the_run_from_which_it_was_written(tmp_path, part):
    made = part("bumper", seed=3, size=30.0)
    still = np.zeros((len(made.times), len(made.points), 3))
    series = to_series(replace(made, displacement=still))
    write_series(tmp_path / "run_0000.rad", series)
    again = from_series(open_series(tmp_path / "run_0000.rad"), Setup())
    assert again.impactor.kind == made.impactor.kind
    for name in ("point", "direction", "speed", "mass", "radius"):
        assert getattr(again.impactor, name) == pytest.approx(getattr(made.impactor, name))
    assert np.array_equal(again.clamped, made.clamped)
    assert again.material.hardening == pytest.approx(made.material.hardening)


@pytest.mark.usefixtures("inline")
def test_a_deck_gives_a_run_what_its_results_do_not_hold(tmp_path):
    path = deck(tmp_path / "run.k", STEEL, HELD, WALL)
    bare = replace(open_series(path), features={})
    states = [Frame(np.full((6, 3), 0.1 * at), np.ones(2, bool)) for at in range(3)]
    write_series(tmp_path / "run.vtp", replace(bare, times=np.arange(3.0), read=states.__getitem__))
    run = open_run(tmp_path / "run.vtp", RunSettings(mesh=str(tmp_path / "{run}.k")))
    assert run.features["impactor_speed"] == 7
    assert from_series(run, Setup()).clamped.sum() == 2


def test_the_table_names_each_keyword_once():
    for keywords in (DYNA_KEYWORDS, RADIOSS_KEYWORDS):
        assert all(keyword.cards for keyword in keywords.values())
        assert {"material", "velocity", "plane", "body"} <= {k.kind for k in keywords.values()}
