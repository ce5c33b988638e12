"""A layer that changes its weight in `forward` cannot be merged, and merge says so."""

from __future__ import annotations

import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from peft import LoraConfig

from scionwood import AdapterError, attach, merge, unmerge


class Normalised(nn.Linear):
    """A linear layer with rows of length one."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, F.normalize(self.weight), self.bias)


class Padded(nn.Conv2d):
    """A convolution that pads its input by itself, as in timm's Conv2dSame."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        (high, wide) = self.kernel_size
        return F.conv2d(F.pad(x, (0, wide - 1, 0, high - 1)), self.weight, self.bias)


def tuned(layer: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    config = LoraConfig(r=2, init_lora_weights=False)
    return attach(nn.Sequential(layer), config, targets="0", head=()).eval()


def test_a_layer_that_changes_its_weight_is_refused_and_stays() -> None:
    model, x = tuned(Normalised(6, 5)), torch.randn(3, 6)
    layer = model.base_model.model[0]
    before, weight = model(x), layer.base_layer.weight.clone()
    with pytest.raises(AdapterError, match="Normalised changes its weight"):
        merge(model)
    assert torch.equal(layer.base_layer.weight, weight)
    assert torch.equal(model(x), before)


def test_another_forward_with_the_plain_weight_is_merged() -> None:
    x = torch.randn(1, 2, 6, 6)
    model = tuned(Padded(2, 3, 2))
    before = model(x)
    merge(model)
    torch.testing.assert_close(model(x), before)
    unmerge(model)
    assert torch.equal(model(x), before)
