"""The study runs, reports refusals and repeats no measurement."""

from __future__ import annotations

import csv
import importlib.util
import math
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

ROOT = Path(__file__).parents[2]
STUDY = ROOT / "benchmarks" / "methods"
TASKS = ("mesh", "field")
NUMBERS = (
    *("score", "forgetting", "base_loss", "base_loss_before", "trained", "total", "file_size"),
    *("peak", "between_steps", "step_ms", "step_over_lora", "step_ci_low", "step_ci_high"),
    *("train_time", "train_loss", "steps", "lr"),
)


def run(table: Path, *options: str, methods: tuple[str, ...] = ("lora", "full-finetuning")) -> str:
    """Run a tiny study."""
    command = [sys.executable, str(STUDY), "--quick", "--results", str(table), *options]
    command += ["--methods", *methods]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    table = tmp_path_factory.mktemp("study") / "results.csv"
    run(table)
    return table


@pytest.fixture(scope="module")
def report() -> ModuleType:
    spec = importlib.util.spec_from_file_location("study_report", STUDY / "report.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(STUDY.parent))
        spec.loader.exec_module(module)
    return module


def measured(table: Path, task: str, method: str) -> list[dict[str, str]]:
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [row for row in rows if (row["task"], row["method"]) == (task, method)]


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("method", ["lora", "full-finetuning"])
def test_a_row_holds_scores_costs_and_sizes(table, task, method):
    row, *others = measured(table, task, method)
    assert {each["status"] for each in (row, *others)} == {"success"}
    value = {key: float(row[key]) for key in row if row[key] and key in NUMBERS}
    assert set(value) == set(NUMBERS)
    assert all(map(math.isfinite, value.values()))
    assert value["steps"] == 6
    assert value["forgetting"] == pytest.approx(
        value["base_loss"] - value["base_loss_before"], abs=1e-5
    )
    assert 0 < value["trained"] <= value["total"]
    assert value["file_size"] >= 4 * value["trained"]
    assert value["peak"] > value["between_steps"] > 4 * value["total"]
    assert value["step_ci_low"] <= value["step_over_lora"] <= value["step_ci_high"]


@pytest.mark.slow
def test_a_refused_experiment_is_a_row_with_its_reason(tmp_path):
    run(tmp_path / "results.csv", "--tasks", "mesh", methods=("hira",))
    rows = measured(tmp_path / "results.csv", "mesh", "hira")
    (row,) = (row for row in rows if row["status"] == "refused")
    assert row["name"] == "r4"
    assert "Target module Linear(144, 48, bias=True) is not supported" in row["error"]
    assert row["score"] == row["seed"] == ""


@pytest.mark.slow
def test_only_missing_or_changed_experiments_are_measured(table):
    before = measured(table, "field", "full-finetuning"), measured(table, "field", "lora")
    text = table.read_text()
    table.write_text(
        "".join(line for line in text.splitlines(True) if "field,lora,r4," not in line)
    )
    printed = run(table)
    names = set(re.findall(r"^\[\d+/\d+(?:, .* left)?\] (\S+)", printed, re.M))
    assert names == {"field/lora/r4"}
    full, lora = measured(table, "field", "full-finetuning"), measured(table, "field", "lora")
    assert full == before[0]
    for column in ("score", "forgetting", "train_loss", "trained", "settings"):
        assert lora[0][column] == before[1][0][column]


def test_the_pareto_front_holds_what_no_other_beats_in_both_scores(report):
    def group(score: float, forgetting: float) -> list[dict[str, str]]:
        return [{"score": str(score), "forgetting": str(forgetting)}]

    groups = {"a": group(0.9, 1.0), "b": group(0.8, 0.1), "c": group(0.7, 0.5), "d": group(0.9, 2)}
    assert report.pareto(groups, higher=True) == {"a", "b"}
    assert report.pareto(groups, higher=False) == {"b", "c"}


def test_every_experiment_of_the_table_has_three_seeds_and_an_entry(report):
    rows = report.read()
    experiments = yaml.safe_load((STUDY / "experiments.yaml").read_text("utf-8"))
    for task in TASKS:
        for name, group in report.measured(rows, task).items():
            assert {row["seed"] for row in group} == {"0", "1", "2"}, name
            assert name in experiments[task]["experiments"]
    for row in rows:
        assert bool(row["error"]) == (row["status"] == "refused")
