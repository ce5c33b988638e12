"""The experiments on disk, and a model as each wants it: with an adapter, or trained otherwise."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

from peft import get_peft_config
from torch import nn

from methods.tasks import Batch, Task
from methods.training import train
from scionwood import attach, load
from scionwood_methods import plugin
from scionwood_methods.hellora.routes import count_routes, expert_targets, hot_experts
from scionwood_methods.igsp.pruning import measure, prune
from scionwood_methods.loft.calibration import calibrate
from scionwood_methods.p2d_heads.scores import head_targets, score_heads, select_heads

HERE = Path(__file__).parent
ADAPTER, TRAINING = "adapter_config.json", "training_params.json"


@final
@dataclass(frozen=True)
class Experiment:
    """A folder `experiments/<task>/<method>/<name>`, in the layout of peft's method comparison.

    Args:
        task: name of the task.
        method: `lora`, `disel` ...
        name: of the variant.
        adapter: what `adapter_config.json` says; None where no adapter trains.
        training: the defaults, over which the task's and the experiment's own are laid.
    """

    task: str
    method: str
    name: str
    adapter: Mapping[str, Any] | None
    training: Mapping[str, Any]

    @property
    def key(self) -> str:
        return f"{self.task}/{self.method}/{self.name}"

    def shortened(self) -> Experiment:
        """The same in two steps, one learning rate and one seed."""
        less = {"max_steps": 6, "seeds": 1, "lr_grid": self.training["lr_grid"][:1], "rounds": 2}
        return replace(self, training={**self.training, **less})


def experiments(folder: Path = HERE / "experiments") -> list[Experiment]:
    """All experiments, by task, method and name."""
    defaults = _read(HERE / "default_training_params.json")
    found = []
    for place in sorted(path for path in folder.glob("*/*/*") if path.is_dir()):
        task, method, name = place.relative_to(folder).parts
        training = defaults | _read(folder / task / TRAINING) | _read(place / TRAINING)
        adapter = _read(place / ADAPTER) or None
        found.append(Experiment(task, method, name, adapter, training))
    return found


def register() -> dict[str, str]:
    """Enter the plugin's methods into peft; the `peft_type` of each by its name."""
    found = {name: load("adapters", f"{plugin.name}/{name}") for name in plugin.adapters}
    return {name: str(config().peft_type.value) for name, config in found.items()}


def prepare(
    experiment: Experiment, task: Task, batches: list[Batch], lr: float
) -> tuple[nn.Module, int]:
    """The model that an experiment trains, and how many batches its method has used up.

    Raises:
        AdapterError: the method refuses the model.
    """
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
    some = batches[: ask["batches"]]
    return PREPARATIONS[ask["name"]](model, config, task, some, lr, experiment.training), len(some)


def _calibrated(
    model: nn.Module, config: Any, task: Task, batches: list[Batch], lr: float, training: Any
) -> nn.Module:
    """LOFT: the supports from gradients of some batches, each of which runs twice."""
    tuned = attach(model, config)
    calibrate(tuned, batches[::2], task.loss)
    return tuned


def _best_heads(
    model: nn.Module, config: Any, task: Task, batches: list[Batch], lr: float, training: Any
) -> nn.Module:
    """P2D: a short run on whole projections, after which some heads are chosen."""
    probe = attach(model, replace(config, heads=None))
    train(probe, task, batches, lr, training)
    sizes = {"num_heads": config.num_heads, "num_kv_heads": config.num_kv_heads}
    heads = select_heads(score_heads(probe, **sizes), training["preparation"]["share"])
    fresh = task.model()
    return attach(fresh, replace(config, heads=heads, target_modules=head_targets(fresh, heads)))


def _hot(
    model: nn.Module, config: Any, task: Task, batches: list[Batch], lr: float, training: Any
) -> nn.Module:
    """HELLoRA: the experts that some batches use most, besides the config's own targets."""
    hot = hot_experts(count_routes(model, batches, task.loss), training["preparation"]["experts"])
    named = "|".join(name.replace(".", r"\.") for name in expert_targets(model, hot))
    pattern = f"{config.target_modules}|{named}"
    return attach(model, replace(config, experts=hot, target_modules=pattern))


def _pruned(
    model: nn.Module, config: Any, task: Task, batches: list[Batch], lr: float, training: Any
) -> nn.Module:
    """IGSP: a first part of the training, after which experts that few inputs use are dropped."""
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


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return found
