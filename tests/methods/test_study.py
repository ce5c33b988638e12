"""The study runs, says what is refused, repeats nothing, and its page is that of its results."""

from __future__ import annotations

import importlib.util
import json
import math
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
STUDY = ROOT / "benchmarks" / "methods"
TASKS = ("vision", "mesh", "field", "language")


def run(results: Path, *options: str) -> str:
    """Run the study, tiny, with LoRA and full fine-tuning."""
    command = [sys.executable, str(STUDY), "--quick", "--results", str(results), *options]
    command += ["--methods", "lora", "full-finetuning"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    run(folder)
    return folder


@pytest.fixture(scope="module")
def report() -> ModuleType:
    spec = importlib.util.spec_from_file_location("study_report", STUDY / "report.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def records(folder: Path, task: str, method: str) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob(f"{task}--{method}--*"))]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("method", ["lora", "full-finetuning"])
def test_a_method_of_each_task_is_measured_whole(folder, task, method):
    (found,) = (r for r in records(folder, task, method) if r["train_info"]["status"] == "success")
    info, last = found["train_info"], found["train_info"]["metrics"][-1]
    assert last["step"] == found["run_info"]["train_config"]["max_steps"]
    assert all(math.isfinite(last[key]) for key in ("test loss", "base loss", "forgetting"))
    assert last["forgetting"] == pytest.approx(
        last["base loss"] - found["meta_info"]["model_info"]["base"]["base"]["loss"]
    )
    assert 0 < info["num_trainable_params"] <= info["num_total_params"]
    assert info["file_size"] >= 4 * info["num_trainable_params"]
    assert info["memory_max"] > info["memory_between_steps"] > 4 * info["num_total_params"]
    assert info["step_ci_low"] <= info["step_over_lora"] <= info["step_ci_high"]


@pytest.mark.parametrize("task", TASKS)
def test_lora_trains_less_than_everything(folder, task):
    lora, full = (records(folder, task, m)[-1] for m in ("lora", "full-finetuning"))
    share = [r["train_info"]["num_trainable_params"] for r in (lora, full)]
    assert share[1] > 5 * share[0]
    assert lora["train_info"]["memory_between_steps"] < full["train_info"]["memory_between_steps"]


def test_a_refused_layer_is_a_row_with_its_reason(folder):
    refused = [r for r in records(folder, "mesh", "lora") if r["train_info"]["status"] == "refused"]
    (found,) = refused
    assert found["run_info"]["experiment_name"] == "mesh/lora/r4"
    assert (
        "Target module Linear(144, 48, bias=True) is not supported"
        in (found["run_info"]["error_msg"])
    )
    assert found["train_info"]["metrics"] == []


def test_what_is_done_is_not_repeated_and_what_is_missing_is(folder):
    before = {path: path.read_text() for path in folder.iterdir()}
    lost = folder / "vision--lora--r4--seed0.json"
    lost.unlink()
    said = run(folder)
    assert set(re.findall(r"^\[\d+/\d+, .* left\] (\S+)", said, re.M)) == {"vision/lora/r4"}
    assert {path: path.read_text() for path in before if path != lost} == {
        path: text for path, text in before.items() if path != lost
    }
    again, first = json.loads(lost.read_text()), json.loads(before[lost])
    for each in (again, first):
        assert each["train_info"]["metrics"] == first["train_info"]["metrics"]


def test_nothing_is_beaten_by_the_front_in_both(report):
    def group(score: float, forgetting: float) -> list[dict[str, str]]:
        return [{"score": str(score), "forgetting": str(forgetting)}]

    groups = {"a": group(0.9, 1.0), "b": group(0.8, 0.1), "c": group(0.7, 0.5), "d": group(0.9, 2)}
    assert report.pareto(groups, higher=True) == {"a", "b"}
    assert report.pareto(groups, higher=False) == {"b", "c"}


def test_the_page_is_that_of_the_results(report):
    text = report.PAGE.read_text("utf-8")
    assert report.fill(text, report.read()) == text, "run python benchmarks/methods --report"
    shown = set(re.findall(r"<!-- study: ([a-z_]+) -->", text))
    assert shown == {*report.METRICS, "refused", "costs"}


def test_every_row_was_measured_with_three_seeds_and_an_experiment_of_the_folder(report):
    rows = report.read()
    for task in TASKS:
        for name, group in report.measured(rows, task).items():
            assert {row["seed"] for row in group} == {"0", "1", "2"}, name
            assert (STUDY / "experiments" / task / name).is_dir()
    for row in rows:
        assert bool(row["error"]) == (row["status"] == "refused")
