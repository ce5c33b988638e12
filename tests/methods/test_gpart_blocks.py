"""GPart with one part of the vector for each numbered block."""

from __future__ import annotations

import pytest
import torch
from blocks_model import Blocks
from case_table import table
from method_layers import unsettle
from peft import get_peft_model

from scionwood import AdapterError
from scionwood_methods.gpart.blocks import block_of, parts_of
from scionwood_methods.peft import GpartConfig

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
