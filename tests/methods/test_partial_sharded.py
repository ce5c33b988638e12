"""Selective freezing inside FSDP, and the numbers of features that peft's tools read."""

from __future__ import annotations

import subprocess
import sys

import pytest
from mixed_model import Mixed
from peft import get_peft_model

from scionwood_methods.peft import PartialConfig


def test_the_numbers_of_features_are_those_of_the_module_or_none():
    config = PartialConfig(target_modules=["embed", "block.linear1"])
    model = get_peft_model(Mixed(), config).base_model.model
    assert (model.block.linear1.in_features, model.block.linear1.out_features) == (
        model.block.linear1.base_layer.in_features,
        model.block.linear1.base_layer.out_features,
    )
    assert (model.embed.in_features, model.embed.out_features) == (None, None)


SHARDED = """
import torch, torch.distributed as dist
from torch.distributed.fsdp import FullyShardedDataParallel as FSDP
from peft import get_peft_model
from scionwood_methods.peft import PartialConfig

dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
net = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 2))
model = get_peft_model(net, PartialConfig(target_modules=["0"], stored=STORED))
for name, parameter in model.named_parameters():
    if "partial" in name:
        torch.nn.init.normal_(parameter)
x = torch.randn(3, 4)
before = model(x)
sharded = FSDP(model, use_orig_params=True, device_id="cpu")
print(float((sharded(x) - before).abs().max()))
sharded(x).sum().backward()
print(min(float(p.grad.abs().sum()) for n, p in sharded.named_parameters() if "partial" in n) > 0)
"""


@pytest.mark.slow
@pytest.mark.parametrize("stored", ["delta", "values"])
def test_the_trained_parameters_act_and_train_inside_fsdp(stored):
    code = SHARDED.replace("STORED", repr(stored))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["0.0", "True"], done.stderr
