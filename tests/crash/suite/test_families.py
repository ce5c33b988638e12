"""The designs of the suite, and the files of their simulations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from case_table import table

from scionwood import OutputExistsError, ReadError, RecipeError
from scionwood_crash.data.suite import SuiteParts
from scionwood_crash.solver.explicit import SimulationError
from scionwood_crash.solver.run import solve
from scionwood_crash.suite import simulate as simulate_module
from scionwood_crash.suite.families import FAMILIES, SINGLE, Design, design, half_wave
from scionwood_crash.suite.record import Simulation
from scionwood_crash.suite.simulate import record


@table("family", SINGLE)
def test_designs_are_valid_and_differ(family):
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
        assert 5 < made.shell.clamped.sum() < len(nodes) / 3
        run = solve(made.shell, made.impactor, duration=0.002, n_frames=2)
        assert run.force.max() == 0  # nothing touches at the start
    assert min(sizes) > 500
    assert max(sizes) < 2500


@table("seed", range(4))
def test_the_trigger_bead_of_a_box_lies_at_the_first_fold(seed):
    """The walls normal to y are deepest about half a fold wavelength from the front."""
    made = FAMILIES["box"](np.random.default_rng(seed), 2.5)
    p, nodes = made.parameters, made.shell.nodes
    straight = p["height"] / 2 * (1 - p["taper"] * nodes[:, 2] / p["length"])
    middle = (np.abs(nodes[:, 0]) < 2) & (nodes[:, 1] > 0.8 * straight)
    inward = (straight - nodes[:, 1])[middle]
    behind = p["length"] - nodes[middle, 2][inward.argmax()]
    assert inward.max() == pytest.approx(p["bead"], abs=0.5)
    front = (1 - p["taper"]) * (p["width"] + p["height"]) / 2
    assert 0.6 < behind / half_wave(front, p["thickness"]) < 1.3


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_whole_simulations_are_credible(family):
    """Energy balance within 3 %, hourglass energy below 10 %, a visible dent, bounded strain."""
    for index in range(2):
        made = design(family, 5, index)
        result = solve(made.shell, made.impactor, duration=made.duration)
        assert result.imbalance() < 0.03
        assert result.hourglass_share() < 0.1
        assert 8 < np.abs(result.displacement).max() < 200
        assert result.plastic_strain.max() < 2


def short(family: str) -> Design:
    """Return a coarse design with a short simulation."""
    return replace(FAMILIES[family](np.random.default_rng(0), 40.0), duration=0.5)


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    made = FAMILIES["tube"](np.random.default_rng(0), 40.0)
    result = solve(made.shell, made.impactor, duration=0.5, n_frames=3)
    return record("tube", 0, 7, made, result)


def test_a_record_is_unchanged_by_writing_and_reading(simulation, tmp_path):
    path = tmp_path / "tube.safetensors"
    simulation.save(path)
    again = Simulation.load(path)
    for name, value in vars(simulation).items():
        other = getattr(again, name)
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(other, value)
            assert other.dtype == value.dtype
    assert (again.family, again.seed, again.index) == ("tube", 0, 7)
    assert again.parameters == simulation.parameters
    assert again.impactor["kind"] == "cylinder"
    with pytest.raises(OutputExistsError):
        simulation.save(path)


def test_refuses_damaged_records(simulation, tmp_path):
    path = tmp_path / "tube.safetensors"
    simulation.save(path)
    whole = path.read_bytes()
    for content in (b"", whole[:100], whole[:-10], whole.replace(b'"times"', b'"tames"')):
        path.write_bytes(content)
        with pytest.raises(ReadError, match="tube"):
            Simulation.load(path)


def test_designs_with_much_hourglass_energy_are_left_out(simulation, tmp_path, capsys):
    """The folder holds the designs 0 and 1; number 1 gets 11 % of hourglass energy."""
    energy = np.zeros((2, 7))
    for index, share in ((0, 9.0), (1, 11.0), (2, 11.0)):
        energy[-1, [0, 3]] = 100.0, share
        made = replace(simulation, index=index, energy=energy.copy())
        made.save(tmp_path / "seed0" / "tube" / f"{index:04d}.safetensors")
    data = SuiteParts(families=["tube"], n_train=2, n_val=1, n_test=0, folder=tmp_path)
    assert [part.name for part in data.parts("train")] == ["tube-0"]
    assert "tube 1 of seed 0 is left out: hourglass energy 11%" in capsys.readouterr().err
    with pytest.raises(RecipeError, match="designs of val"):
        data.parts("val")


def test_a_design_with_much_hourglass_energy_is_not_returned(monkeypatch):
    monkeypatch.setattr(simulate_module, "HOURGLASS", 1e-9)
    monkeypatch.setattr(simulate_module, "design", lambda *_: short("tube"))
    with pytest.raises(SimulationError, match="hourglass energy"):
        simulate_module.simulate("tube", 0, 0)
