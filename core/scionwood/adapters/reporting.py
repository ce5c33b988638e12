"""Count the parameters that train, and group them for an optimiser."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch.nn as nn
from peft import PeftModel

from scionwood.adapters.head import backbone, head_names, in_head
from scionwood.adapters.modules import adapter_parameters
from scionwood.adapters.sharing import untied
from scionwood.errors import AdapterError

OPTIONS = frozenset({"lr_scale", "weight_decay"})


@dataclass(frozen=True)
class Report:
    """Numbers of parameters; a shared tensor counts once.

    Attributes:
        trainable_adapter: The trainable parameters of adapters.
        trainable_head: The trainable parameters outside adapters.
        total: All parameters, adapters and head included.
        base: `total` without adapters and head; these parameters never train.
        untied_bytes: The bytes of the copies that `attach(..., untie=True)` made.

    Example:
        >>> from scionwood.adapters import Report
        >>> counts = Report(trainable_adapter=48, trainable_head=17, total=209, base=144)
        >>> f"{counts.share:.1%}"
        '31.1%'
    """

    trainable_adapter: int
    trainable_head: int
    total: int
    base: int
    untied_bytes: int = 0

    @property
    def share(self) -> float:
        """The number of trainable parameters divided by `total`."""
        return (self.trainable_adapter + self.trainable_head) / max(self.total, 1)

    def __str__(self) -> str:
        copies = f"; untied copies of {self.untied_bytes:,} bytes" if self.untied_bytes else ""
        return (
            f"trainable {self.trainable_adapter + self.trainable_head:,} "
            f"(adapter {self.trainable_adapter:,}, head {self.trainable_head:,}) of "
            f"{self.total:,} = {self.share:.2%} of base {self.base:,} + adapter + head{copies}"
        )


def report(model: nn.Module) -> Report:
    """Count the parameters of a model and those that train.

    Args:
        model: A model with or without adapters.

    Example:
        >>> from peft import LoraConfig
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Linear(16, 1))
        >>> tuned = scionwood.attach(model, LoraConfig(r=2), targets="0", head=())
        >>> scionwood.report(tuned).trainable_adapter  # 8 inputs and 16 outputs, of rank 2
        48
    """
    adapter = {id(p) for p in adapter_parameters(model).values()}
    names = head_names(model)
    head = {id(p) for n, p in backbone(model).named_parameters() if in_head(n, names)}
    everything = list(model.parameters())
    trains = [p for p in everything if p.requires_grad]
    return Report(
        trainable_adapter=sum(_count(p) for p in trains if id(p) in adapter),
        trainable_head=sum(_count(p) for p in trains if id(p) not in adapter),
        total=sum(_count(p) for p in everything),
        base=sum(_count(p) for p in everything if id(p) not in adapter and id(p) not in head),
        untied_bytes=sum(untied(model).values()),
    )


def parameter_groups(
    model: nn.Module, lr: float, weight_decay: float = 0.0
) -> list[dict[str, Any]]:
    """Group the trainable parameters of a model for a torch optimiser.

    The groups of the method come first, then the rest of the adapter, then the head. A method
    defines groups by `parameter_groups(self)` of its config class. For example, `{"gate":
    {"lr_scale": 5.0, "weight_decay": 0.0}}` gives the parameters below the layer attribute `gate`
    five times the learning rate and no weight decay.

    Args:
        model: A model with or without adapters. Parameters that need no gradient are left out.
        lr: The learning rate.
        weight_decay: The weight decay of the groups for which the method does not define one.

    Returns:
        Dictionaries with `params`, `lr`, `weight_decay` and `name`.

    Raises:
        AdapterError: The method names an attribute without parameters, or an unknown option.

    Example:
        >>> from peft import LoraConfig
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Linear(16, 1))
        >>> tuned = scionwood.attach(model, LoraConfig(r=2), targets="0", head=("1",))
        >>> groups = scionwood.parameter_groups(tuned, lr=1e-3)
        >>> [(group["name"], group["lr"]) for group in groups]
        [('adapter', 0.001), ('head', 0.001)]
        >>> optimiser = torch.optim.AdamW(groups)
    """
    adapter = {n: p for n, p in adapter_parameters(model).items() if p.requires_grad}
    adapter_ids = {id(p) for p in adapter.values()}
    groups = [(word, _below(word, adapter), rule) for word, rule in _rules(model).items()]
    grouped_ids = {id(p) for _, members, _ in groups for p in members}
    ungrouped = [p for p in adapter.values() if id(p) not in grouped_ids]
    head = [p for p in model.parameters() if p.requires_grad and id(p) not in adapter_ids]
    return [
        {
            "params": members,
            "lr": lr * rule.get("lr_scale", 1.0),
            "weight_decay": rule.get("weight_decay", weight_decay),
            "name": name,
        }
        for name, members, rule in [*groups, ("adapter", ungrouped, {}), ("head", head, {})]
        if members
    ]


def _count(parameter: nn.Parameter) -> int:
    """Return the number of values; a weight in four bits holds two of them in a byte."""
    quantised = getattr(parameter, "quant_state", None)
    return parameter.numel() if quantised is None else math.prod(quantised.shape)


def _below(word: str, adapter: Mapping[str, nn.Parameter]) -> list[nn.Parameter]:
    members = [p for name, p in adapter.items() if word in name.split(".")]
    if not members:
        raise AdapterError(
            f"parameter group {word!r}", "no parameter is below an attribute of this name"
        )
    return members


def _rules(model: nn.Module) -> Mapping[str, Mapping[str, float]]:
    config = model.active_peft_config if isinstance(model, PeftModel) else None
    asks = getattr(config, "parameter_groups", None)
    rules: Mapping[str, Mapping[str, float]] = asks() if asks is not None else {}
    for word, rule in rules.items():
        if unknown := set(rule) - OPTIONS:
            raise AdapterError(
                f"parameter group {word!r}",
                f"unknown option {', '.join(sorted(unknown))}",
                f"Known: {', '.join(sorted(OPTIONS))}",
            )
    return rules
