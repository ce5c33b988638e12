"""The file of a simulation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from scionwood import OutputExistsError, ReadError
from scionwood_crash.solver.run import solve
from scionwood_crash.suite.families import FAMILIES
from scionwood_crash.suite.record import Simulation
from scionwood_crash.suite.simulate import record


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
