"""One experiment: choose a learning rate, then measure scores and costs with several seeds."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, final

import torch
from runner import machine
from torch import nn

from methods import measure
from methods.experiments import Experiment, prepare, stepper, train
from methods.report import METRICS, Row
from methods.report import experiment as named
from methods.tasks import Batch, Task
from scionwood import AdapterError, parameter_groups, report

PACKAGES = ("torch", "peft", "transformers", "timm", "torch-geometric", "scikit-learn", "scipy")


@final
class Bench:
    """A task, the scores of its untouched base, and the step that others are timed against."""

    def __init__(self, task: Task, reference: Experiment) -> None:
        self.task, self.reference = task, reference
        model = task.model()
        self.before = {what: task.evaluate(model, what, "test") for what in ("base", "new")}

    def run(self, experiment: Experiment) -> list[Row]:
        """Run an experiment; return one row for each seed, or one row if it is refused."""
        grid = experiment.training["lr_grid"]
        try:
            trials = {lr: self.trial(experiment, lr) for lr in grid}
        except AdapterError as error:
            return [self.row(experiment, status="refused", error=str(error))]
        lr = min(grid, key=lambda candidate: trials[candidate])
        common = {"trials": " ".join(f"{rate:g}:{value:.6g}" for rate, value in trials.items())}
        common |= self.costs(experiment, lr)
        return [
            self.row(experiment, **common, **self.scores(experiment, seed, lr))
            for seed in range(experiment.training["seeds"])
        ]

    def trial(self, experiment: Experiment, lr: float) -> float:
        """Return a learning rate's score on the validation part: lower is better, NaN is worst."""
        model, *_ = self.trained(experiment, experiment.training["tuning_seed"], lr)
        score = self.task.evaluate(model, "new", "valid")[self.task.metric]
        score = -score if self.task.higher else score
        return score if math.isfinite(score) else math.inf

    def trained(
        self, experiment: Experiment, seed: int, lr: float
    ) -> tuple[nn.Module, list[float], float]:
        """Return the trained model, its losses, and the CPU seconds with the preparation."""
        torch.manual_seed(seed)
        batches = self.task.batches(seed, experiment.training["max_steps"])
        start = time.process_time()
        model, used = prepare(experiment, self.task, batches, lr)
        losses = train(model, self.task, batches[used:], lr, experiment.training)
        return model, losses, time.process_time() - start

    def scores(self, experiment: Experiment, seed: int, lr: float) -> Row:
        """Return the columns of one seed: scores on the test parts after training, and sizes."""
        model, losses, seconds = self.trained(experiment, seed, lr)
        new, base = (self.task.evaluate(model, part, "test") for part in ("new", "base"))
        last = losses[-20:]
        return {
            "seed": seed,
            "lr": lr,
            "score": new[METRICS[experiment.task][0]],
            "forgetting": base["loss"] - self.before["base"]["loss"],
            "base_loss": base["loss"],
            "base_accuracy": base.get("accuracy"),
            "trained": sum(p.numel() for p in model.parameters() if p.requires_grad),
            "total": report(model).total,
            "file_size": measure.file_size(model),
            "train_time": seconds,
            "train_loss": sum(last) / len(last) if last else None,
            "steps": len(losses),
        }

    def costs(self, experiment: Experiment, lr: float) -> Row:
        """Return memory and time of a step, timed in turns with the reference; empty if frozen."""
        if experiment.training["trains"] == "nothing":
            return {}
        step, model, optimizer = self._step(experiment, lr)
        memory = measure.memory(step, model, optimizer)
        reference, *_ = self._step(self.reference, lr)
        times = measure.step_times(step, reference, experiment.training["rounds"])
        return {"peak": memory["peak"], "between_steps": memory["stays"], **times}

    def _step(self, experiment: Experiment, lr: float) -> tuple[Any, nn.Module, Any]:
        torch.manual_seed(0)
        batches: list[Batch] = self.task.batches(0, experiment.training["max_steps"])
        model, _ = prepare(experiment, self.task, batches, lr)
        groups = parameter_groups(model.train(), lr)
        step, optimizer = stepper(model, self.task, groups, experiment.training)
        return lambda: step(batches[0]), model, optimizer

    def row(self, experiment: Experiment, *, status: str = "success", **columns: Any) -> Row:
        """Return a row of the table; what was not measured is empty."""
        key, metric, _ = METRICS[experiment.task]
        row = dict.fromkeys(COLUMNS) | {
            "task": experiment.task,
            "method": experiment.method,
            "name": experiment.name,
            "status": status,
            "metric": metric,
            "score_before": self.before["new"][key],
            "base_loss_before": self.before["base"]["loss"],
            "base_accuracy_before": self.before["base"].get("accuracy"),
            "grid": " ".join(f"{lr:g}" for lr in experiment.training["lr_grid"]),
            "settings": experiment.settings,
        }
        row |= {f"{name}-version": version(name) for name in PACKAGES}
        row |= {name: value for name, value in machine().items() if name in row} | columns
        return {name: _plain(value) for name, value in row.items()}


COLUMNS = (
    *("task", "method", "name", "seed", "status", "metric", "score", "score_before"),
    *("forgetting", "base_loss_before", "base_loss", "base_accuracy_before", "base_accuracy"),
    *("trained", "total", "file_size", "peak", "between_steps"),
    *("step_ms", "step_over_lora", "step_ci_low", "step_ci_high"),
    *("train_time", "train_loss", "steps", "lr", "grid", "trials", "settings", "error"),
    *(f"{name}-version" for name in PACKAGES),
    *("python", "machine", "date"),
)
"""The columns of the table, in order."""


def is_done(experiment: Experiment, rows: Sequence[Row]) -> bool:
    """Say whether the table holds every seed of an experiment, measured with the same settings."""
    rows_of_experiment = [
        row for row in rows if named(row) == (experiment.task, experiment.method, experiment.name)
    ]
    if not rows_of_experiment or any(
        row["settings"] != experiment.settings for row in rows_of_experiment
    ):
        return False
    return (
        rows_of_experiment[0]["status"] == "refused"
        or len(rows_of_experiment) == experiment.training["seeds"]
    )


def _plain(value: Any) -> Any:
    if value is None:
        return ""
    return float(f"{value:.6g}") if isinstance(value, float) else value
