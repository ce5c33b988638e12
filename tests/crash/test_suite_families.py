"""The suite: designs, records, and the command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scionwood import OutputExistsError, ReadError, RecipeError
from scionwood.cli import main
from scionwood_crash.readers import open_series
from scionwood_crash.solver.solve import solve
from scionwood_crash.suite.families import FAMILIES, design, half_wave
from scionwood_crash.suite.record import Simulation
from scionwood_crash.suite.simulate import record, simulate


@pytest.mark.parametrize("family", FAMILIES)
def test_designs_are_sound_and_differ(family: str) -> None:
    first = design(family, 0, 0)
    again, other = design(family, 0, 0), design(family, 0, 1)
    np.testing.assert_array_equal(first.shell.nodes, again.shell.nodes)
    assert first.parameters == again.parameters != other.parameters
    sizes = []
    for index in range(12):
        made = design(family, 1, index)
        nodes, quads = made.shell.nodes, made.shell.quads
        sizes.append(len(nodes))
        sides = np.linalg.norm(nodes[quads] - nodes[np.roll(quads, 1, 1)], axis=-1)
        assert sides.min() > 1.5
        assert sides.max() < 25
        assert 5 < made.shell.held.sum() < len(nodes) / 3
        run = solve(made.shell, made.impactor, duration=0.002, n_frames=2)
        assert run.force.max() == 0  # nothing touches at the start
    assert min(sizes) > 500
    assert max(sizes) < 2500


def test_hats_may_have_a_hole_in_their_crown() -> None:
    holes = [design("hat", 0, index) for index in range(12)]
    with_hole = [made.parameters["hole"] > 0 for made in holes]
    assert 0 < sum(with_hole) < 12
    inside = []
    for made in holes:
        p = made.parameters
        centre = made.shell.nodes[made.shell.quads].mean(1)
        crown = centre[:, 2] > p["height"] * 0.5
        away = np.hypot(centre[:, 0] - p["hole_at"] * p["length"], centre[:, 1])
        inside.append(bool((away[crown] < 8).any()))
    assert all(hole != filled for hole, filled in zip(with_hole, inside, strict=True))


@pytest.mark.parametrize("seed", range(4))
def test_the_bead_of_a_box_lies_where_the_first_fold_forms(seed: int) -> None:
    """Seen in the mesh: its walls across y are deepest about half a fold behind the front."""
    made = FAMILIES["box"](np.random.default_rng(seed), 2.5)
    p, nodes = made.parameters, made.shell.nodes
    straight = p["height"] / 2 * (1 - p["taper"] * nodes[:, 2] / p["length"])
    middle = (np.abs(nodes[:, 0]) < 2) & (nodes[:, 1] > 0.8 * straight)
    inward = (straight - nodes[:, 1])[middle]
    behind = p["length"] - nodes[middle, 2][inward.argmax()]
    assert inward.max() == pytest.approx(p["bead"], abs=0.5)
    front = (1 - p["taper"]) * (p["width"] + p["height"]) / 2
    assert 0.6 < behind / half_wave(front, p["thickness"]) < 1.3


def test_half_of_a_fold_of_a_square_tube() -> None:
    """60 x 1.5 mm, worked by hand: b / t is 40, its power 11.70, times 0.983 and 1.5 mm."""
    assert half_wave(60.0, 1.5) == pytest.approx(17.25, abs=0.01)


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(RecipeError, match="there is none of this name"):
        design("door", 0, 0)


@pytest.fixture(scope="module")
def found() -> Simulation:
    made = FAMILIES["tube"](np.random.default_rng(0), 40.0)
    result = solve(made.shell, made.impactor, duration=0.5, n_frames=3)
    return record("tube", 0, 7, made, result)


def test_a_record_is_read_as_it_was_written(found: Simulation, tmp_path: Path) -> None:
    path = tmp_path / "tube.safetensors"
    found.save(path)
    again = Simulation.load(path)
    for name, value in vars(found).items():
        other = getattr(again, name)
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(other, value)
            assert other.dtype == value.dtype
    assert (again.family, again.seed, again.index) == ("tube", 0, 7)
    assert again.parameters == found.parameters
    assert again.impactor["kind"] == "cylinder"
    with pytest.raises(OutputExistsError):
        found.save(path)


def test_damaged_records_are_named(found: Simulation, tmp_path: Path) -> None:
    path = tmp_path / "tube.safetensors"
    found.save(path)
    whole = path.read_bytes()
    for content in (b"", whole[:100], whole[:-10], whole.replace(b'"times"', b'"tames"')):
        path.write_bytes(content)
        with pytest.raises(ReadError, match="tube"):
            Simulation.load(path)


def crash(*options: object) -> int:
    return main(["crash", "simulate", *map(str, options)])


def test_simulate_writes_skips_and_repeats(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--out", tmp_path, "--family", "tube", "--seed", 2, "--n", 1, "--format", "record")
    assert crash(*options) == 0
    assert "1 simulated, 0 were there, 0 failed" in capsys.readouterr().out
    made = Simulation.load(tmp_path / "tube-2-0000.safetensors")
    assert crash(*options) == 0
    assert "0 simulated, 1 were there, 0 failed" in capsys.readouterr().out
    assert made.displacement.shape == (21, len(made.nodes), 3)
    assert made.plastic_strain.shape == (21, len(made.quads))
    assert 5 < np.abs(made.displacement).max() < 200
    assert not made.displacement[:, made.held].any()


@pytest.mark.parametrize("options", [("--family", "door"), ("--n", 0), ("--workers", 0)])
def test_simulate_says_what_does_not_fit(options: tuple[object, ...], tmp_path: Path) -> None:
    assert crash("--out", tmp_path / "out", *options) == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("format", "suffix"), [("vtu", ".pvd"), ("d3plot", ".d3plot")])
def test_simulate_writes_files_that_hold_the_simulation(
    format: str, suffix: str, tmp_path: Path
) -> None:
    assert crash("--out", tmp_path, "--family", "tube", "--n", 1, "--format", format) == 0
    series, wanted = open_series(tmp_path / f"tube-0-0000{suffix}"), simulate("tube", 0, 0)
    np.testing.assert_allclose(series.displacement(), wanted.displacement, atol=1e-4)
    np.testing.assert_allclose(series.times, wanted.times, rtol=1e-6)
    np.testing.assert_array_equal(series.mesh.cells, wanted.quads)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_whole_simulations_are_credible(family: str) -> None:
    """Energy within 3 %, hourglass below 10 %, a dent that one sees, and no runaway strain."""
    for index in range(2):
        made = design(family, 5, index)
        result = solve(made.shell, made.impactor, duration=made.duration)
        assert result.imbalance() < 0.03
        assert result.hourglass_share() < 0.1
        assert 8 < np.abs(result.displacement).max() < 200
        assert result.plastic_strain.max() < 2
