"""`LayerTuner`: the order of its hooks, its refusals, and modules without a weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn as nn
from adapter_nets import Net, answer, unsettle
from case_table import table
from peft import LoraConfig, PeftConfig, get_peft_model
from peft.tuners.tuners_utils import BaseTunerLayer

from scionwood import AdapterError, attach, load_adapter, save_adapter
from scionwood.adapters import adapter_state
from scionwood.authoring import LayerTuner, peft_method

BLOCKS = r"blocks\.\d+"


class GainLayer(nn.Module, BaseTunerLayer):
    """A module whose output is multiplied by 1 + gain."""

    adapter_layer_names = ("gain_values",)

    def __init__(self, base: nn.Module) -> None:
        super().__init__()
        self.base_layer = base
        self.gain_values = nn.ParameterDict()
        self._disable_adapters, self.merged_adapters = False, []

    def update_layer(self, name: str, config: GainConfig) -> None:
        if config.size > 16:
            raise AdapterError(f"size={config.size}", "a gain has at most 16 values")
        self.gain_values[name] = nn.Parameter(torch.zeros(config.size))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.base_layer(x)
        for name in [] if self.disable_adapters else self.active_adapters:
            if name in self.gain_values:
                y = y * (1 + self.gain_values[name])
        return y


class GainTuner(LayerTuner):
    prefix = "gain_"
    tuner_layer_cls = GainLayer

    def prepare(self, model: nn.Module, config: Any, name: str, keys: list[str]) -> None:
        self.calls = [f"prepare {name} {keys}"]
        if config.size < 1:
            raise AdapterError(f"size={config.size}", "a gain has 1 value or more")

    def wrap(self, target: nn.Module, key: str) -> nn.Module:
        if isinstance(target, nn.Embedding):
            raise AdapterError(f"gain on {key}", "an embedding has no gain")
        self.calls.append(f"wrap {key}")
        return super().wrap(target, key)

    def fill(self, layer: Any, config: Any, name: str, key: str) -> None:
        self.calls.append(f"fill {key} {name}")
        super().fill(layer, config, name, key)

    def finish(self, config: Any, name: str) -> None:
        placed = [key for key, m in self.model.named_modules() if isinstance(m, GainLayer)]
        self.calls.append(f"finish {name} {placed}")


@peft_method("gain", tuner=GainTuner)
@dataclass
class GainConfig(PeftConfig):
    size: int = 1
    target_modules: list[str] | str | None = None


def test_calls_the_hooks_in_their_order():
    model = attach(Net(), GainConfig(), targets=BLOCKS)
    keys = ["blocks.0", "blocks.1"]
    assert model.base_model.calls == [
        f"prepare default {keys}",
        *("wrap blocks.0", "fill blocks.0 default", "wrap blocks.1", "fill blocks.1 default"),
        f"finish default {keys}",
    ]


def test_a_second_adapter_goes_into_the_layers_of_the_first():
    model = attach(Net(), GainConfig(), targets=BLOCKS)
    model.add_adapter("other", GainConfig(size=16, target_modules=["blocks.1"]))
    assert model.base_model.calls[1:3] == [
        "fill blocks.1 other",
        "finish other ['blocks.0', 'blocks.1']",
    ]
    layer = model.base_model.model.blocks[1]
    assert {name: len(gain) for name, gain in layer.gain_values.items()} == {
        "default": 1,
        "other": 16,
    }
    assert not isinstance(layer.base_layer, GainLayer)


def test_starts_as_the_identity_trains_alone_saves_and_loads(tmp_path):
    model = attach(Net(), GainConfig(size=16), targets=BLOCKS).eval()
    torch.testing.assert_close(answer("gain", model), answer("gain", Net().eval()), rtol=0, atol=0)
    trains = [name for name, each in model.named_parameters() if each.requires_grad]
    kinds = {next(k for k in ("gain_values", "decoder", name) if k in name) for name in trains}
    assert kinds == {"gain_values", "decoder"}
    save_adapter(unsettle(model), tmp_path / "adapter")
    saved, loaded = (adapter_state(m) for m in (model, load_adapter(Net(), tmp_path / "adapter")))
    assert len(saved) == 2
    torch.testing.assert_close(loaded, saved, rtol=0, atol=0)


@table(
    ("size", "target", "message"),
    [
        (0, BLOCKS, "1 value or more"),  # of prepare
        (17, BLOCKS, "at most 16 values"),  # of fill
        (1, "embed", "an embedding has no gain"),  # of wrap
    ],
)
def test_a_refusal_wraps_nothing(size, target, message):
    net = Net()
    with pytest.raises(AdapterError, match=message):
        get_peft_model(net, GainConfig(size=size, target_modules=target))
    assert not any(isinstance(module, GainLayer) for module in net.modules())


def test_refuses_a_layer_of_another_method():
    net = get_peft_model(Net(), LoraConfig(r=2, target_modules=["fc1"])).base_model.model
    with (
        pytest.warns(UserWarning, match="second time"),
        pytest.warns(UserWarning, match="multiple adapters"),
        pytest.raises(AdapterError, match=r"gain on blocks\.0\.fc1.*of another method"),
    ):
        get_peft_model(net, GainConfig(target_modules=["fc1"]))


@table(
    "base", [nn.LSTM(4, 4), nn.ReLU(), nn.Sequential(nn.Linear(4, 4)), nn.MultiheadAttention(4, 1)]
)
def test_wraps_a_module_without_a_weight(base):
    model = get_peft_model(nn.Sequential(base), GainConfig(target_modules="0"))
    assert model.base_model.model[0].base_layer is base


def test_adapters_are_on_the_device_of_the_module_or_empty():
    with torch.device("meta"):
        base = nn.Sequential(nn.LSTM(4, 4))
    model = get_peft_model(base, GainConfig(target_modules="0"))
    assert model.base_model.model[0].gain_values["default"].is_meta
    model = get_peft_model(Net(), GainConfig(target_modules=BLOCKS), low_cpu_mem_usage=True)
    assert model.base_model.model.blocks[0].gain_values["default"].is_meta
    assert not any(each.is_meta for each in model.base_model.model.stem.parameters())
