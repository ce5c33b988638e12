"""The experiments of the study, and the model that each one trains."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import torch
import yaml
from peft import get_peft_config
from torch import nn

from methods.tasks import Batch, Task
from scionwood import attach, load, parameter_groups
from scionwood_methods import plugin
from scionwood_methods.hellora.routes import count_routes, expert_targets, hot_experts
from scionwood_methods.igsp.pruning import measure, prune
from scionwood_methods.loft.calibration import calibrate
from scionwood_methods.p2d_heads.scores import head_targets, score_heads, select_heads


def train(
    model: nn.Module, task: Task, batches: Sequence[Batch], lr: float, training: Mapping[str, Any]
) -> list[float]:
    """Take a step on each batch and return the losses; nothing happens if nothing trains."""
    groups = parameter_groups(model, lr, **training["optimizer_kwargs"])
    if not groups or not batches:
        return []
    step, optimizer = stepper(model, task, groups, training)
    warm, total = training["warmup_share"] * len(batches), len(batches)

    def share(number: int) -> float:
        if number < warm:
            return (number + 1) / (warm + 1)
        return (1 + math.cos(math.pi * (number - warm) / max(total - warm, 1))) / 2

    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
    model.train()
    losses = []
    for batch in batches:
        losses.append(step(batch))
        rate.step()
    return losses


def stepper(
    model: nn.Module, task: Task, groups: list[dict[str, Any]], training: Mapping[str, Any]
) -> tuple[Callable[[Batch], float], torch.optim.Optimizer]:
    """Return a function that takes one step, and its optimiser."""
    optimizer = getattr(torch.optim, training["optimizer_type"])(groups)
    trained = [parameter for group in groups for parameter in group["params"]]

    def step(batch: Batch) -> float:
        loss = task.loss(model, batch)
        loss.backward()
        nn.utils.clip_grad_norm_(trained, training["grad_norm_clip"])
        optimizer.step()
        optimizer.zero_grad()
        return float(loss.detach())

    return step, optimizer


FILE = Path(__file__).parent / "experiments.yaml"


@final
@dataclass(frozen=True)
class Experiment:
    """One entry of `experiments.yaml`."""

    task: str
    method: str
    name: str
    adapter: Mapping[str, Any] | None
    training: Mapping[str, Any]

    @property
    def key(self) -> str:
        return f"{self.task}/{self.method}/{self.name}"

    @property
    def settings(self) -> str:
        """A hash of the settings that determine the results."""
        text = json.dumps([self.adapter, self.training], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def shortened(self) -> Experiment:
        """Return the same experiment with six steps, one learning rate and one seed."""
        less = {"max_steps": 6, "seeds": 1, "lr_grid": self.training["lr_grid"][:1], "rounds": 2}
        return replace(self, training={**self.training, **less})


def experiments() -> list[Experiment]:
    """Return all experiments, in the order of the file."""
    tasks = yaml.safe_load(FILE.read_text("utf-8"))
    defaults = tasks.pop("defaults")
    return [
        Experiment(
            task,
            *key.split("/"),
            adapter=entry.get("adapter"),
            training=defaults | body["training"] | entry.get("training", {}),
        )
        for task, body in tasks.items()
        for key, entry in body["experiments"].items()
    ]


def register() -> dict[str, str]:
    """Register the plugin's methods with peft, and return the `peft_type` of each by its name."""
    configs = {name: load("adapters", f"{plugin.name}/{name}") for name in plugin.adapters}
    return {name: str(config().peft_type.value) for name, config in configs.items()}


def prepare(
    experiment: Experiment, task: Task, batches: list[Batch], lr: float
) -> tuple[nn.Module, int]:
    """Return the model that an experiment trains, and how many batches its method has used."""
    model = task.model(**experiment.training["model"])
    if experiment.adapter is None:
        trains = experiment.training["trains"]
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(
                trains == "all" or (trains == "head" and name.startswith(task.head))
            )
        return model, 0
    config = get_peft_config(dict(experiment.adapter))
    ask = experiment.training["preparation"]
    if not ask:
        return attach(model, config), 0
    first = batches[: ask["batches"]]
    return PREPARATIONS[ask["name"]](model, config, task, first, lr, experiment.training), len(
        first
    )


def _calibrated(
    model: nn.Module, config: Any, task: Task, batches: list[Batch], lr: float, training: Any
) -> nn.Module:
    """Choose the supports of LOFT from the gradients of some batches; each batch runs twice."""
    tuned = attach(model, config)
    calibrate(tuned, batches[::2], task.loss)
    return tuned


def _best_heads(
    model: nn.Module, config: Any, task: Task, batches: list[Batch], lr: float, training: Any
) -> nn.Module:
    """Choose the heads of P2D after a short run on whole projections."""
    probe = attach(model, replace(config, heads=None))
    train(probe, task, batches, lr, training)
    sizes = {"num_heads": config.num_heads, "num_kv_heads": config.num_kv_heads}
    heads = select_heads(score_heads(probe, **sizes), training["preparation"]["share"])
    untrained = task.model()
    return attach(
        untrained, replace(config, heads=heads, target_modules=head_targets(untrained, heads))
    )


def _hot(
    model: nn.Module, config: Any, task: Task, batches: list[Batch], lr: float, training: Any
) -> nn.Module:
    """Add the experts that some batches use most to the targets of HELLoRA."""
    hot = hot_experts(count_routes(model, batches, task.loss), training["preparation"]["experts"])
    modules = "|".join(name.replace(".", r"\.") for name in expert_targets(model, hot))
    pattern = f"{config.target_modules}|{modules}"
    return attach(model, replace(config, experts=hot, target_modules=pattern))


def _pruned(
    model: nn.Module, config: Any, task: Task, batches: list[Batch], lr: float, training: Any
) -> nn.Module:
    """Train IGSP for some batches, then drop the experts that few inputs use."""
    tuned = attach(model, config)
    train(tuned, task, batches, lr, training)
    prune(tuned, measure(tuned, batches, task.loss), threshold=training["preparation"]["threshold"])
    return tuned


PREPARATIONS: dict[str, Callable[..., nn.Module]] = {
    "calibrate": _calibrated,
    "heads": _best_heads,
    "experts": _hot,
    "routes": _pruned,
}
"""What a method does before it trains. Its batches count as steps."""
