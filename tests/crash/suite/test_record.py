"""The file of a simulation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from scionwood import OutputExistsError, ReadError, RecipeError
from scionwood_crash.data.suite import SuiteParts
from scionwood_crash.solver.explicit import SimulationError
from scionwood_crash.solver.run import solve
from scionwood_crash.suite import simulate as simulate_module
from scionwood_crash.suite.families import FAMILIES, Design
from scionwood_crash.suite.record import Simulation
from scionwood_crash.suite.simulate import record


def short(family: str) -> Design:
    """Return a coarse design with a short simulation."""
    return replace(FAMILIES[family](np.random.default_rng(0), 40.0), duration=0.5)  # type: ignore[call-arg]


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    made = FAMILIES["tube"](np.random.default_rng(0), 40.0)
    result = solve(made.shell, made.impactor, duration=0.5, n_frames=3)
    return record("tube", 0, 7, made, result)


def test_a_record_is_unchanged_by_writing_and_reading(
    simulation: Simulation, tmp_path: Path
) -> None:
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


def test_the_file_keeps_its_names(simulation: Simulation, tmp_path: Path) -> None:
    simulation.save(tmp_path / "tube.safetensors")
    with safe_open(tmp_path / "tube.safetensors", framework="numpy") as file:
        assert "held" in set(file.keys()), "older records have this name for clamped nodes"


def test_refuses_damaged_records(simulation: Simulation, tmp_path: Path) -> None:
    path = tmp_path / "tube.safetensors"
    simulation.save(path)
    whole = path.read_bytes()
    for content in (b"", whole[:100], whole[:-10], whole.replace(b'"times"', b'"tames"')):
        path.write_bytes(content)
        with pytest.raises(ReadError, match="tube"):
            Simulation.load(path)


def test_designs_with_much_hourglass_energy_are_left_out(
    simulation: Simulation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
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


def test_a_design_with_much_hourglass_energy_is_not_returned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(simulate_module, "HOURGLASS", 1e-9)
    monkeypatch.setattr(simulate_module, "design", lambda *_: short("tube"))
    with pytest.raises(SimulationError, match="hourglass energy"):
        simulate_module.simulate("tube", 0, 0)
