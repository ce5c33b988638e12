"""One experiment: a learning rate, then seeds, each with its scores and costs, as JSON files."""

from __future__ import annotations

import json
import math
import platform
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, final

import torch
from lora.timing import processor
from torch import nn

from methods import measure
from methods.arms import Experiment, prepare
from methods.tasks import Batch, Scores, Task
from methods.training import stepper, train
from scionwood import AdapterError, atomic_path, parameter_groups, report

PACKAGES = ("torch", "peft", "transformers", "timm", "torch-geometric", "scikit-learn", "scipy")
Json = dict[str, Any]


@final
class Bench:
    """A task with what is known of its base, and the step that others are timed against."""

    def __init__(self, task: Task, reference: Experiment) -> None:
        self.task, self.reference = task, reference
        model = task.model()
        self.before = {what: task.evaluate(model, what, "test") for what in ("base", "new")}

    def run(self, experiment: Experiment, results: Path) -> list[Json]:
        """Run an experiment whole, and write one file for each seed; one file if it is refused."""
        grid = experiment.training["lr_grid"]
        try:
            trials = {lr: self.trial(experiment, lr) for lr in grid}
        except AdapterError as error:
            return [_write(results, self.record(experiment, 0, {}, {}, error=str(error)))]
        lr = min(grid, key=lambda each: trials[each])
        costs = self.costs(experiment, lr)
        return [
            _write(
                results,
                self.record(experiment, seed, self.seed(experiment, seed, lr), costs, trials),
            )
            for seed in range(experiment.training["seeds"])
        ]

    def trial(self, experiment: Experiment, lr: float) -> float:
        """What a learning rate reaches on the validation part, lower is better; NaN is worst."""
        model, *_ = self.trained(experiment, experiment.training["tuning_seed"], lr)
        found = self.task.evaluate(model, "new", "valid")[self.task.metric]
        found = -found if self.task.higher else found
        return found if math.isfinite(found) else math.inf

    def trained(
        self, experiment: Experiment, seed: int, lr: float
    ) -> tuple[nn.Module, list[float], float]:
        """The model after training, its losses, and the CPU seconds with what came before."""
        torch.manual_seed(seed)
        batches = self.task.batches(seed, experiment.training["max_steps"])
        start = time.process_time()
        model, used = prepare(experiment, self.task, batches, lr)
        losses = train(model, self.task, batches[used:], lr, experiment.training)
        return model, losses, time.process_time() - start

    def seed(self, experiment: Experiment, seed: int, lr: float) -> Json:
        """Scores on the test parts after training with a seed."""
        model, losses, seconds = self.trained(experiment, seed, lr)
        after = {what: self.task.evaluate(model, what, "test") for what in ("base", "new")}
        counts = report(model)
        trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
        return {
            "lr": lr,
            "losses": losses,
            "seconds": seconds,
            "after": after,
            "trained": trained,
            "total": counts.total,
            "file_size": measure.file_size(model),
        }

    def costs(self, experiment: Experiment, lr: float) -> Json:
        """Memory and time of a step, in turns with the reference's; empty if nothing trains."""
        if experiment.training["trains"] == "nothing":
            return {}
        step, model, optimizer = self._step(experiment, lr)
        found: Json = measure.memory(step, model, optimizer)
        reference, *_ = self._step(self.reference, lr)
        return found | measure.step_times(step, reference, experiment.training["rounds"])

    def _step(self, experiment: Experiment, lr: float) -> tuple[Any, nn.Module, Any]:
        torch.manual_seed(0)
        batches: list[Batch] = self.task.batches(0, experiment.training["max_steps"])
        model, _ = prepare(experiment, self.task, batches, lr)
        groups = parameter_groups(model.train(), lr)
        step, optimizer = stepper(model, self.task, groups, experiment.training)
        return lambda: step(batches[0]), model, optimizer

    def record(
        self,
        experiment: Experiment,
        seed: int,
        found: Json,
        costs: Json,
        trials: Mapping[float, float] | None = None,
        error: str = "",
    ) -> Json:
        """The keys of peft's method comparison, and ours beside them."""
        losses = found.get("losses", [])
        return {
            "run_info": {
                "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
                "experiment_name": experiment.key,
                "task": experiment.task,
                "train_config": {**experiment.training, "seed": seed, "lr": found.get("lr")},
                "lr_trials": {f"{lr:g}": score for lr, score in (trials or {}).items()},
                "peft_config": experiment.adapter,
                "error_msg": error,
            },
            "train_info": {
                "accelerator_memory_reserved_avg": None,
                "accelerator_memory_max": None,
                "accelerator_memory_reserved_99th": None,
                "memory_max": costs.get("peak"),
                "memory_between_steps": costs.get("stays"),
                "train_time": found.get("seconds"),
                **{key: costs.get(key) for key in STEP_KEYS},
                "file_size": found.get("file_size"),
                "num_trainable_params": found.get("trained"),
                "num_total_params": found.get("total"),
                "status": "refused" if error else "success",
                "metrics": [self._metrics(found["after"], losses)] if found else [],
            },
            "meta_info": {
                "model_info": {"base": self.before},
                "package_info": {f"{name}-version": version(name) for name in PACKAGES},
                "system_info": {
                    "system": platform.system(),
                    "machine": platform.machine(),
                    "processor": processor("cpu"),
                    "accelerator": None,
                    "python": platform.python_version(),
                    "threads": torch.get_num_threads(),
                },
                "pytorch_info": torch.__version__,
            },
        }

    def _metrics(self, after: Mapping[str, Scores], losses: list[float]) -> Json:
        last = losses[-20:]
        base = {f"base {name}": value for name, value in after["base"].items()}
        return {
            "step": len(losses),
            **{f"test {name}": value for name, value in after["new"].items()},
            "train loss": sum(last) / len(last) if last else None,
            "forgetting": after["base"]["loss"] - self.before["base"]["loss"],
            **base,
        }


STEP_KEYS = ("step_ms", "step_over_lora", "step_ci_low", "step_ci_high")


def done(experiment: Experiment, results: Path) -> bool:
    """Whether all files of an experiment are there, and of the same settings."""
    first = _read(results, experiment, 0)
    if first is None:
        return False
    if first["train_info"]["status"] == "refused":
        return True
    seeds = range(1, experiment.training["seeds"])
    return all(_read(results, experiment, seed) is not None for seed in seeds)


def _read(results: Path, experiment: Experiment, seed: int) -> Json | None:
    """A file, unless it is missing or was made with other settings."""
    path = _place(results, experiment.key, seed)
    if not path.exists():
        return None
    record: Json = json.loads(path.read_text("utf-8"))
    run = record["run_info"]
    settings = {k: v for k, v in run["train_config"].items() if k not in ("seed", "lr")}
    same = run["peft_config"] == experiment.adapter and settings == experiment.training
    return record if same else None


def _place(results: Path, key: str, seed: int) -> Path:
    return results / f"{key.replace('/', '--')}--seed{seed}.json"


def _write(results: Path, record: Json) -> Json:
    run = record["run_info"]
    results.mkdir(parents=True, exist_ok=True)
    with atomic_path(_place(results, run["experiment_name"], run["train_config"]["seed"])) as part:
        part.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return record
