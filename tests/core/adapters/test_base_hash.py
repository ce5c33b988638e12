"""The hash and the sketch by which an adapter knows its base."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn as nn
from adapter_nets import Net, answer, unsettle
from case_table import table
from peft import LoraConfig

from scionwood.adapters import (
    BaseIdentity,
    BaseRoundingWarning,
    attach,
    base_hash,
    base_identity,
    load_adapter,
    remembered_identity,
    save_adapter,
)
from scionwood.errors import AdapterFileError

RECIPES = Path(__file__).parents[3] / "configs"
HUB = ("bangla/blade_lora",)
"""Recipes whose base lies on a hub."""

IDENTITIES = """
import json, sys, warnings
warnings.simplefilter("ignore")
import scionwood
from scionwood.adapters import base_identity
bases = {}
for name in sys.argv[1:]:
    base = base_identity(scionwood.resolve(name, smoke=True).backbone.build())
    bases[name] = base.sha256, base.layout, base.sketch
print(json.dumps(bases))
"""


def test_training_does_not_change_the_hash_of_the_base():
    model = unsettle(attach(Net(), LoraConfig(r=4), targets="mlp")).eval()
    assert base_hash(model) == base_hash(Net())
    optimiser = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    answer("lora", model.eval()).square().sum().backward()
    optimiser.step()
    assert base_hash(model) == base_hash(Net())


@table(
    "change",
    [
        lambda net: net.stem[0].weight.data[0, 0].add_(1e-3),
        lambda net: net.stem[1].running_mean.add_(1e-3),
        lambda net: net.half(),
        lambda net: setattr(net.stem, "2", nn.Linear(1, 1)),
    ],
)
def test_the_hash_depends_on_values_statistics_dtypes_and_tensors(change):
    net = Net()
    change(net)
    assert base_hash(net) != base_hash(Net())
    other = Net()
    other.decoder[0].weight.data.zero_()
    assert base_hash(other) == base_hash(Net()), "and not on the head"


def other_processor(net: nn.Module) -> nn.Module:
    """Return the net with other last bits, as another processor draws them."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(1 + 2e-7 * torch.randn(parameter.shape))
    return net


@table(
    ("change", "loads"),
    [
        (other_processor, True),
        (lambda net: net.bfloat16().float(), False),
        (lambda net: net.half().float(), False),
        (lambda net: net.double(), False),
        (lambda net: net.stem[0].weight.data.mul_(1.001) is not None and net, False),
        (lambda net: nn.init.normal_(net.stem[0].weight) is not None and net, False),
    ],
    ids=["rounding", "bfloat16", "float16", "float64", "scaled", "another seed"],
)
def test_an_adapter_loads_on_a_base_that_differs_by_rounding_only(change, loads, tmp_path):
    save_adapter(attach(Net(), LoraConfig(r=2), targets="mlp"), tmp_path)
    base = change(Net())
    assert base_hash(base) != base_hash(Net())
    if not loads:
        with pytest.raises(AdapterFileError, match="made for the base"):
            load_adapter(base, tmp_path)
        return
    with pytest.warns(BaseRoundingWarning, match="agree up to rounding"):
        again = load_adapter(base, tmp_path)
    # It goes on naming the base it was made for.
    assert remembered_identity(again).sha256 == base_hash(Net())


def test_an_earlier_adapter_of_a_seeded_base_loads_with_a_warning(tmp_path):
    save_adapter(
        attach(Net(), LoraConfig(r=2), targets="mlp"), tmp_path, base={"weights": "random, seeded"}
    )
    path = tmp_path / "scionwood.json"
    record = json.loads(path.read_text("utf-8"))
    del record["base_sketch"]
    path.write_text(json.dumps(record), "utf-8")
    with pytest.warns(BaseRoundingWarning, match="is not known"):
        load_adapter(other_processor(Net()), tmp_path)


def test_values_that_are_not_finite_have_no_sketch():
    net = Net()
    net.stem[0].weight.data[0, 0] = float("nan")
    assert base_identity(net).sketch == ()
    assert not base_identity(Net()).matches(base_identity(net))


def identities(capability: str, recipes: list[str]) -> dict[str, BaseIdentity]:
    done = subprocess.run(
        [sys.executable, "-c", IDENTITIES, *recipes],
        env={**os.environ, "ATEN_CPU_CAPABILITY": capability},
        capture_output=True,
        text=True,
        check=True,
    )
    bases = json.loads(done.stdout.splitlines()[-1])
    return {name: BaseIdentity(a, b, tuple(c)) for name, (a, b, c) in bases.items()}


@pytest.mark.slow
def test_the_base_of_every_recipe_is_the_same_on_any_processor():
    recipes = [f"{path.parent.name}/{path.stem}" for path in sorted(RECIPES.glob("*/*.yaml"))]
    recipes = [name for name in recipes if name not in HUB]
    plain, *others = (identities(name, recipes) for name in ("default", "avx2", "avx512"))
    hashes = [base.sha256 for base in plain.values()]
    assert any(set(hashes) != {base.sha256 for base in other.values()} for other in others)
    for other in others:
        for name, base in plain.items():
            assert base.matches(other[name]), name
