"""What would tell a fused model from one of peft; the first two are from peft's own tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from case_table import table
from layered_net import LAYERS, Net
from peft import LoraConfig, get_peft_model
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from scionwood.kernels import enable, kernel_report


def test_a_printed_model_stays_the_same():
    model = get_peft_model(Net(), LoraConfig(target_modules=LAYERS))
    before = str(model)
    assert any(row.implementation != "peft" for row in enable(model))
    assert str(model) == before


@pytest.mark.parametrize("layer", ["up", "image"])
def test_a_base_that_trains_is_fused_where_no_gradient_is_recorded(layer):
    """FSDP shows frozen weights as views of one tensor that trains."""
    config = LoraConfig(target_modules=[layer], init_lora_weights=False)
    model = get_peft_model(Net(), config).eval()
    enable(model)
    x = torch.randn(2, 2, 4, 5, 6)
    with torch.no_grad():
        frozen = model(x)
    model.base_model.model.get_submodule(layer).base_layer.weight.requires_grad_(True)
    assert [row.implementation for row in kernel_report(model)] == ["peft"]
    with torch.no_grad():
        assert [row.implementation for row in kernel_report(model)] != ["peft"]
        assert torch.equal(model(x), frozen)
    model(x).sum().backward()
    assert model.base_model.model.get_submodule(layer).base_layer.weight.grad is not None


class Louder(nn.GELU):
    """An activation whose forward depends on more than its input."""

    calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return self.calls * super().forward(x)


class Higher(nn.LayerNorm):
    """A norm whose forward depends on more than its input."""

    calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return super().forward(x) + self.calls


def _instance_forward(net: nn.Sequential) -> None:
    old = net[2].forward
    net[2].forward = lambda x: old(x) * 2  # as accelerate does


CHANGES: dict[str, Callable[[nn.Sequential], Any]] = {
    "a hook on an activation": lambda net: net[1].register_forward_hook(lambda m, i, o: o * 2),
    "another activation": lambda net: net.__setitem__(1, Louder()),
    "another norm": lambda net: net.__setitem__(1, Higher(8)),
    "a forward of the instance": _instance_forward,
    "a hook on all modules": lambda net: register_module_forward_hook(
        lambda m, i, o: o * 2 if m is net[1] else None
    ),
}


@table("change", CHANGES)
def test_what_acts_on_a_module_is_not_left_out(change):
    results = []
    for fused in (False, True):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(8, 8), nn.GELU(), nn.Linear(8, 4))
        handle = CHANGES[change](net)
        config = LoraConfig(r=2, target_modules=["2"], init_lora_weights=False)
        model = get_peft_model(net, config)
        if fused:
            enable(model, recompute="memory")
        y = model(torch.randn(3, 8).requires_grad_())
        y.square().sum().backward()
        results.append([y.detach(), *(p.grad for p in model.parameters() if p.grad is not None)])
        if hasattr(handle, "remove"):
            handle.remove()
    assert len(results[0]) == 3
    for ours, theirs in zip(*reversed(results), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


class Pair(nn.Module):
    """Two layers that read the output of a norm."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.first, self.second = nn.RMSNorm(8), nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(x)
        return self.first(x) * self.second(x)


def _write(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
    output.data.mul_(1.7)


@pytest.mark.parametrize("part", ["first.lora_dropout.default", "second.lora_dropout.default"])
def test_what_a_hook_writes_over_a_shared_input_is_in_all_gradients(part):
    """The dropout returns its input, so that the hook writes over what the other layer read."""
    results = []
    for fused in (False, True):
        torch.manual_seed(0)
        config = LoraConfig(r=2, target_modules=["first", "second"], init_lora_weights=False)
        model = get_peft_model(Pair(), config)
        if fused:
            enable(model, recompute="memory")
        for _ in range(2):  # at its first call, a layer tries how to compute its input again
            model.zero_grad()
            model(torch.ones(3, 8).requires_grad_()).square().sum().backward()
            model.base_model.model.get_submodule(part).register_forward_hook(_write)
        results.append([p.grad for p in model.parameters() if p.grad is not None])
    assert len(results[0]) == 4
    for ours, theirs in zip(*reversed(results), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
