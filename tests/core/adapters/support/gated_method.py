"""A plugin with one adapter method, as a third party would write it: a gated low-rank update.

`y = W x + B (sigmoid(g) * A x)` with a gate that depends on the input, so that it cannot be merged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn as nn
from peft import PeftConfig
from peft.tuners.tuners_utils import BaseTuner, BaseTunerLayer

from scionwood import Plugin
from scionwood.authoring import peft_method


class GatedLayer(nn.Module, BaseTunerLayer):
    adapter_layer_names = ("gated_A", "gated_B", "gated_gate")

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base_layer = base
        self.gated_A, self.gated_B = nn.ModuleDict(), nn.ModuleDict()
        self.gated_gate = nn.ModuleDict()
        self._disable_adapters, self.merged_adapters = False, []

    def update_layer(self, name: str, config: GatedConfig) -> None:
        base = self.get_base_layer()
        self.gated_A[name] = nn.Linear(base.in_features, config.r, bias=False)
        self.gated_B[name] = nn.Linear(config.r, base.out_features, bias=False)
        self.gated_gate[name] = nn.Linear(base.in_features, config.r)
        nn.init.zeros_(self.gated_B[name].weight)
        self._move_adapter_to_device_of_base_layer(name)
        self.set_adapter(self.active_adapters, inference_mode=config.inference_mode)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.base_layer(x)
        for name in [] if self.disable_adapters else self.active_adapters:
            if name in self.gated_A:
                gate = torch.sigmoid(self.gated_gate[name](x))
                out = out + self.gated_B[name](gate * self.gated_A[name](x))
        return out


class GatedModel(BaseTuner):
    prefix = "gated_"
    tuner_layer_cls = GatedLayer
    target_module_mapping: ClassVar[dict[str, list[str]]] = {}

    def _create_and_replace(
        self, config, name, target, target_name, parent, current_key, parameter_name=None
    ) -> None:
        if not isinstance(target, GatedLayer):
            if not isinstance(target, nn.Linear):
                raise ValueError(f"{type(target).__name__} is not linear")
            layer = GatedLayer(target)
            layer._active_adapter = name
            self._replace_module(parent, target_name, layer, target)
            target = layer
        target.update_layer(name, config)


@peft_method("gated", tuner=GatedModel)
@dataclass
class GatedConfig(PeftConfig):
    r: int = 4
    gate_lr_scale: float = 5.0
    target_modules: list[str] | str | None = None

    def parameter_groups(self):
        return {"gated_gate": {"lr_scale": self.gate_lr_scale, "weight_decay": 0.0}}


plugin = Plugin(
    name="gated", adapters={"lowrank": "fake_gated_peft:GatedConfig"}, summary="Gated low rank."
)
