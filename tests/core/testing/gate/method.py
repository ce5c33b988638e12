"""The smallest mergeable method: y = base(x) + B A x with B zero at first."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from peft import PeftConfig
from peft.tuners.tuners_utils import BaseTuner, BaseTunerLayer
from torch import nn

from scionwood.authoring import peft_method


class GateLayer(nn.Module, BaseTunerLayer):
    """A linear layer with its update."""

    adapter_layer_names = ("kitgate_a", "kitgate_b")

    def __init__(self, base: nn.Module, name: str, rank: int) -> None:
        super().__init__()
        self.base_layer = base
        self.kitgate_a, self.kitgate_b = nn.ModuleDict(), nn.ModuleDict()
        self._disable_adapters, self.merged_adapters = False, []
        self._active_adapter = name
        self.kitgate_a[name] = nn.Linear(base.in_features, rank, bias=False)
        self.kitgate_b[name] = nn.Linear(rank, base.out_features, bias=False)
        nn.init.zeros_(self.kitgate_b[name].weight)
        self.set_adapter(self.active_adapters)

    def delta(self, name: str) -> torch.Tensor:
        """B A, (out, in)."""
        return self.kitgate_b[name].weight @ self.kitgate_a[name].weight

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Add the update to the weight."""
        for name in self.active_adapters:
            self.base_layer.weight.data += self.delta(name)
            self.merged_adapters.append(name)

    def unmerge(self) -> None:
        """Take it out again."""
        while self.merged_adapters:
            self.base_layer.weight.data -= self.delta(self.merged_adapters.pop())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (..., in) -> (..., out)."""
        y = self.base_layer(x)
        if self.disable_adapters or self.merged_adapters:
            return y
        for name in self.active_adapters:
            y = y + self.kitgate_b[name](self.kitgate_a[name](x))
        return y


class GateModel(BaseTuner):
    """Wraps each target."""

    prefix = "kitgate_"
    tuner_layer_cls = GateLayer
    target_module_mapping = {}  # noqa: RUF012

    def _create_and_replace(
        self, config, adapter_name, target, target_name, parent, current_key, parameter_name=None
    ) -> None:
        layer = GateLayer(target, adapter_name, config.r)
        self._replace_module(parent, target_name, layer, target)


@peft_method("kitgate", tuner=GateModel)
@dataclass
class GateConfig(PeftConfig):
    """A low-rank update.

    Shapes: x (..., in) -> (..., out).
    Source: none, it belongs to a test.

    Args:
        r: the rank.
        exclude_modules: names that are left out.
        modules_to_save: modules that train whole.
        bias: none; peft asks for it.
    """

    r: int = 2
    target_modules: list[str] | str | None = None
    exclude_modules: list[str] | str | None = None
    modules_to_save: list[str] | None = None
    bias: str = "none"
