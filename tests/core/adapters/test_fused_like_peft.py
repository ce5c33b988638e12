"""Two things in which peft's own tests told a fused model from one of peft."""

from __future__ import annotations

import pytest
import torch
from layered_net import LAYERS, Net
from peft import LoraConfig, get_peft_model

from scionwood.kernels import enable, kernel_report


def test_a_printed_model_stays_the_same() -> None:
    model = get_peft_model(Net(), LoraConfig(target_modules=LAYERS))
    before = str(model)
    assert any(row.implementation != "peft" for row in enable(model))
    assert str(model) == before


@pytest.mark.parametrize("layer", ["up", "image"])
def test_a_base_that_trains_is_fused_where_no_gradient_is_recorded(layer: str) -> None:
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
