"""The hash by which an adapter knows its base."""

from __future__ import annotations

import pytest
import torch
import torch.nn as nn
from adapter_nets import Net, answer, unsettle
from peft import LoraConfig

from scionwood.adapters import attach, base_hash


def test_training_does_not_change_the_hash_of_the_base() -> None:
    model = unsettle(attach(Net(), LoraConfig(r=4), targets="mlp")).eval()
    assert base_hash(model) == base_hash(Net())
    optimiser = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    answer("lora", model.eval()).square().sum().backward()
    optimiser.step()
    assert base_hash(model) == base_hash(Net())


@pytest.mark.parametrize(
    "change",
    [
        lambda net: net.stem[0].weight.data[0, 0].add_(1e-3),
        lambda net: net.stem[1].running_mean.add_(1e-3),
        lambda net: net.half(),
        lambda net: setattr(net.stem, "2", nn.Linear(1, 1)),
    ],
)
def test_the_hash_depends_on_values_statistics_dtypes_and_tensors(change: object) -> None:
    net = Net()
    change(net)
    assert base_hash(net) != base_hash(Net())


def test_the_hash_does_not_depend_on_the_head() -> None:
    net = Net()
    net.decoder[0].weight.data.zero_()
    assert base_hash(net) == base_hash(Net())
