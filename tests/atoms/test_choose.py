"""The choice between ways to fit: what is advised, what is used again, and what diverges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ase import Atoms

from scionwood import OutputExistsError, RecipeError
from scionwood_atoms import choose
from scionwood_atoms.data.files import Files
from scionwood_atoms.data.labels import LabelError
from scionwood_atoms.evaluation.arms import Arm, Trials, fitted, kernel_arm, steps_within
from scionwood_atoms.verbs.choose import advised

Make = Callable[..., list[Atoms]]
Label = Callable[..., Path]
LORA = Arm("lora", 3e-2, 70.0, 3.0, None, 20.0, 250_000, 35.0)
FROZEN = Arm("frozen", 0.0, 265.0, 60.0, None, 5.0, 0, 0.0)
RATES: dict[str, dict[float, float | None]] = {"lora": {1e-2: 80.0, 3e-2: 70.0, 1e-1: 90.0}}


def test_the_advice_states_what_the_validation_cannot_tell():
    full = replace(LORA, model="full", rate=1e-2, force=72.0)
    text = advised((LORA, full, FROZEN), LORA, RATES, 20)
    assert text.startswith("Use lora at rate 0.03: 70 meV/A on the validation, 20 structures")
    assert "full within 5 %" in text
    assert "edge" not in text
    edge = replace(LORA, rate=1e-1)
    few = advised((edge, FROZEN), edge, RATES, 2)
    assert "2 structures of validation decide little" in few
    assert "at the edge of the search" in few
    lost = advised((LORA, FROZEN), LORA, RATES | {"full": {1e-2: None}}, 20)
    assert "full diverged at each rate" in lost
    assert advised((FROZEN, LORA), FROZEN, RATES, 20).endswith("No fit is better.")


def test_finished_arms_are_used_again_and_other_options_refused(tmp_path):
    record = Trials(tmp_path, {"sha256": "a", "steps": 40})
    record.add(FROZEN)
    record.add(Arm("full", 1e-2, failure="loss [nan]"))
    again = Trials(tmp_path, {"sha256": "a", "steps": 0})
    again.read(force=False)
    assert again.options["steps"] == 40
    assert again.arms[0] == FROZEN
    assert again.arms[1].force == float("inf")
    other = Trials(tmp_path, {"sha256": "b", "steps": 0})
    with pytest.raises(OutputExistsError, match="other labels or options"):
        other.read(force=False)
    other.read(force=True)
    assert not other.arms


@pytest.fixture
def waters(tmp_path: Path, shaken: Make, label: Label) -> dict[str, Any]:
    """The options of twelve water molecules."""
    path = label(tmp_path / "a.xyz", [*shaken("H2O"), Atoms("H"), Atoms("O")])
    return {"source": [str(path)], "base": "sevennet/tiny"}


def test_a_budget_gives_steps_or_is_refused(waters):
    data = Files(**waters)
    data.setup("fit")
    assert steps_within(data, 60.0) >= 20
    with pytest.raises(RecipeError, match=r"budget: 20 steps of each fit need .* times as long"):
        steps_within(data, 1e-3)


def test_the_kernel_stands_beside_one_molecule_alone(tmp_path, shaken, label, waters):
    kernel = kernel_arm(Files(**waters).frames())
    assert kernel is not None
    assert kernel.force < 100
    mixed = label(tmp_path / "b.xyz", shaken("H2O", "CH4"))
    assert kernel_arm(Files(source=str(mixed), base="sevennet/tiny").frames()) is None


def test_one_structure_is_too_few(tmp_path, shaken, label):
    path = label(tmp_path / "one.xyz", shaken("H2O", n=1))
    with pytest.raises(LabelError, match="leave the split val empty"):
        choose([path], run=tmp_path / "run", base="sevennet/tiny", reference="composition")
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "run-arms").exists()


@pytest.mark.slow
def test_a_rate_that_diverges_is_named_and_leaves_nothing(tmp_path, waters):
    data = Files(**waters)
    data.setup("fit")
    record = Trials(tmp_path / "arms", {"data": waters, "steps": 6})
    arm = fitted(record, "full", 1e30, data, 0.0)
    assert arm.failure
    assert arm.force == float("inf")
    assert not list((tmp_path / "arms").glob("full*"))
