"""GPart: one vector for a model or its blocks, an isometry, and a partition that never changes."""

from __future__ import annotations

import pytest
import torch
import torch.nn as nn
from blocks_model import Blocks
from case_table import table
from method_layers import ADAPTED, adapted, bare, config, trainable, unsettle
from peft import PeftModel, get_peft_model, inject_adapter_in_model

from scionwood import AdapterError
from scionwood_methods.gpart.blocks import block_of, parts_of
from scionwood_methods.gpart.partition import CHUNK, Partition, splitmix64
from scionwood_methods.peft import GpartConfig

CPU = torch.device("cpu")
FIRST = [413, 160, 331, 326, 343, 765, 267, 592]
"""The groups of the first weights for d = 1000 and seed 42, which no version may change."""


def python_hash(value):
    """Return the hash of SplitMix64, computed with Python integers."""
    mask = (1 << 64) - 1
    z = (value + 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


def test_hash_is_splitmix64():
    assert python_hash(0) == 0xE220A8397B1DCDAF  # the published first output for state 0
    for seed in (0, 42, -1, (1 << 64) - 3):
        hashes = [value % (1 << 64) for value in splitmix64(7, 50, seed, CPU).tolist()]
        assert hashes == [python_hash((seed + i) % (1 << 64)) for i in range(7, 57)]


def test_groups_never_change():
    assert Partition(1000, 42).groups(0, 8, CPU).tolist() == FIRST
    for d in (1, 7, 1024, 2**31 + 11, 2**61 - 1):
        groups = Partition(d, 42).groups(3, 20, CPU).tolist()
        assert groups == [python_hash(42 + i) % d for i in range(3, 23)]


def test_groups_span_all_layers_and_chunks():
    partition = Partition(5, 1)
    assert partition.extend(CHUNK + 3) == 0
    assert partition.extend(10) == CHUNK + 3
    counts = torch.bincount(partition.groups(0, CHUNK + 13, CPU), minlength=5)
    torch.testing.assert_close(partition.scales(CPU), counts.double().rsqrt().float())
    assert (counts / (CHUNK + 13) - 0.2).abs().max() < 1e-3


@table("kind", ADAPTED)
def test_norm_of_the_update_equals_that_of_the_vector(kind):
    model = unsettle(adapted("gpart", kind, d=20))
    theta = model.base_model.gpart_theta["default"].detach()
    layers = (model.base_model.model.first, model.base_model.model.second)
    squares = sum(layer.get_delta_weight("default").square().sum() for layer in layers)
    torch.testing.assert_close(squares.sqrt(), theta.norm())
    assert trainable(model).keys() == {"base_model.gpart_theta.default"}
    assert theta.numel() == 20


def test_each_weight_moves_by_its_entry_over_the_root_of_the_group_size():
    model = unsettle(adapted("gpart", "Linear", d=20, seed=5))
    theta = model.base_model.gpart_theta["default"].detach()
    layers = (model.base_model.model.first, model.base_model.model.second)
    moved = torch.cat([layer.get_delta_weight("default").flatten() for layer in layers])
    groups = torch.tensor([python_hash(5 + i) % 20 for i in range(len(moved))])
    sizes = torch.bincount(groups, minlength=20)
    torch.testing.assert_close(moved, theta[groups] / sizes[groups].sqrt())


class Swapped(nn.Module):
    """The layers of `bare` in reverse order."""

    def __init__(self) -> None:
        super().__init__()
        inner = bare("Linear")
        self.second, self.first = inner.second, inner.first

    def forward(self, x):
        return self.second(torch.tanh(self.first(x)))


def test_refuses_another_order_and_fewer_targets(tmp_path):
    unsettle(adapted("gpart", "Linear")).save_pretrained(tmp_path)
    with pytest.raises(AdapterError, match=r"second.* but it was made for .*first"):
        PeftModel.from_pretrained(Swapped(), tmp_path)
    reduced = GpartConfig.from_pretrained(tmp_path)
    reduced.target_modules = ["first"]
    with pytest.raises(AdapterError, match="1 layers, but it was made for 2 layers"):
        get_peft_model(bare("Linear"), reduced)
    with pytest.raises(ValueError, match="state"):  # injection has no tuner, which holds the vector
        inject_adapter_in_model(config("gpart", "Linear"), bare("Linear"))


OPTIONS = [{}, {"grouping": "signed_magnitude"}, {"projection": "fastfood"}]


@table("options", OPTIONS, ids=str)
def test_each_block_has_its_own_part_of_the_vector(options):
    own = GpartConfig(d=10, target_modules=["query", "value"], scope="block", **options)
    model = unsettle(get_peft_model(Blocks(), own))
    theta = model.base_model.gpart_theta["default"]
    assert theta.numel() == 10
    for number, (start, length) in enumerate([(0, 4), (4, 3), (7, 3)]):
        block = model.base_model.model.blocks[number]
        moved = [layer.get_delta_weight("default") for layer in (block.query, block.value)]
        place = block.query.gpart_place["default"]
        assert (place.part.start, place.part.length, place.part.seed) == (
            start,
            length,
            42 + number,
        )
        assert place.projection.total == 32
        if options.get("projection") != "fastfood":
            norm = sum(each.square().sum() for each in moved).sqrt()
            torch.testing.assert_close(norm, theta[start : start + length].norm().detach())


def test_gradients_of_a_block_reach_its_part_alone():
    own = GpartConfig(d=10, target_modules=["query", "value"], scope="block")
    model = unsettle(get_peft_model(Blocks(), own))
    x = torch.randn(3, 4, generator=torch.Generator().manual_seed(1))
    model.base_model.model.blocks[1].query(x).sum().backward()
    moved = model.base_model.gpart_theta["default"].grad != 0
    assert moved.nonzero().flatten().tolist() == [4, 5, 6]


@table(
    ("key", "pattern", "block"),
    [
        ("roberta.encoder.layer.7.attention.self.query", None, "roberta.encoder.layer.7"),
        ("model.layers.10.self_attn.q_proj", None, "model.layers.10"),
        ("encoder.block.4.layer.0.SelfAttention.q", None, "encoder.block.4"),
        ("encoder.stages.3.query", "stages", "encoder.stages.3"),
        ("encoder.stages.3.query", ["layers", "stages"], "encoder.stages.3"),
    ],
)
def test_finds_the_numbered_block_of_a_layer(key, pattern, block):
    assert block_of(key, pattern) == block


def test_blocks_are_ordered_by_number_and_the_first_take_the_rest():
    parts = parts_of(["blocks.10", "blocks.2", "blocks.1", "blocks.2"], 8, 17)
    assert list(parts) == ["blocks.1", "blocks.2", "blocks.10"]
    assert [tuple(part) for part in parts.values()] == [(0, 3, 17), (3, 3, 18), (6, 2, 19)]


@table(
    ("options", "message"),
    [
        ({"target_modules": ["readout"]}, "gpart on readout.*numbered blocks.*layers_pattern"),
        ({"target_modules": ["query"], "d": 2}, "d=2: .* one entry for each of 3 blocks"),
        ({"target_modules": ["query"], "d": 60}, r"d=20: .*weights of blocks.0, 16"),
    ],
)
def test_refuses_blocks_that_do_not_fit(options, message):
    with pytest.raises(AdapterError, match=message):
        get_peft_model(Blocks(), GpartConfig(scope="block", **{"d": 9, **options}))
