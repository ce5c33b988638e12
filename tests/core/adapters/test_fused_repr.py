"""A fused model prints as the model of peft does."""

from __future__ import annotations

from layered_net import LAYERS, Net
from peft import LoraConfig, get_peft_model

from scionwood.kernels import enable


def test_a_printed_model_stays_the_same() -> None:
    model = get_peft_model(Net(), LoraConfig(target_modules=LAYERS))
    before = str(model)
    assert any(row.implementation != "peft" for row in enable(model))
    assert str(model) == before
