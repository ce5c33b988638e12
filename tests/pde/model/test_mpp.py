"""MPP: a block against plain loops, and files in the authors' layout."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from case_table import table
from peft import LoraConfig
from safetensors.torch import save_file
from torch import Tensor

import scionwood
from scionwood import RecipeError, WeightsError
from scionwood_pde.backbones import MPPForecast
from scionwood_pde.model.avit import SIZES, AViT, AViTBlock

STATED = {"L": 407}
"""Millions of numbers that the authors state (arXiv:2511.15684, section 5)."""

COUNTED = {"Ti": 7_285_884, "S": 28_979_436, "B": 115_608_012, "L": 407_055_628}
"""Numbers of the authors' network, counted once."""


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def random_network(places: tuple[int, ...] = (0,), rows: int = 12) -> AViT:
    network = AViT(SIZES["tiny"], places, rows, periodic=True)
    with torch.no_grad():
        for number, p in enumerate(network.parameters()):
            p.copy_(0.3 * drawn(*p.shape, seed=number))
    return network


def write(path: Path, **changes: Any) -> Path:
    """Write a checkpoint as the authors' trainer does, from several processes."""
    state = random_network().state_dict() | changes
    prefixed = {f"module.{name}": value for name, value in state.items()}
    optimizer = {"state": {0: {"step": 1}}, "param_groups": [{"lr": 1.0, "params": [0]}]}
    content = {"iters": 8, "epoch": 2, "model_state": prefixed, "optimizer_state_dict": optimizer}
    torch.save(content, path)
    return path


def bucket(apart: int) -> int:
    """Return the row of a signed distance, by the rule of T5 with 32 rows."""
    distance, later = abs(apart), 16 if apart > 0 else 0
    if distance < 8:
        return later + distance
    return later + min(15, 8 + int(math.log(distance / 8) / math.log(4) * 8))


def attended(block: Any, x: Tensor, *, periodic: bool) -> Tensor:
    """Attend along the first axis of tokens (token, channel), head by head, pair by pair."""
    heads, count = block.heads, len(x)
    table = block.rel_pos_bias.relative_attention_bias.weight
    out = []
    for head, part in enumerate(x.chunk(heads, -1)):
        q, k, v = part.chunk(3, -1)
        q, k = block.qnorm(q), block.knorm(k)
        for i in range(count):
            score = []
            for j in range(count):
                apart = j - i
                if periodic and abs(apart) > count // 2:
                    apart -= count if apart > 0 else -count
                score.append(q[i] @ k[j] / math.sqrt(q.shape[-1]) + table[bucket(apart), head])
            out.append(torch.stack(score).softmax(0) @ v)
    return torch.cat([torch.stack(out[h * count : (h + 1) * count]) for h in range(heads)], -1)


@pytest.mark.parametrize("periodic", [False, True])
@torch.no_grad()
def test_a_block_equals_plain_loops(periodic):
    block = AViTBlock(8, 2, periodic=periodic)
    for number, p in enumerate(block.parameters()):
        p.copy_(0.5 * drawn(*p.shape, seed=number))
    x = drawn(1, 3, 8, 20, 2, seed=9)
    time, space = block.temporal, block.spatial

    def projected(layer: Any, y: Tensor) -> Tensor:
        out = torch.einsum("oc,ncxy->noxy", layer.weight[:, :, 0, 0], y)
        return torch.as_tensor(out + layer.bias.view(-1, 1, 1))

    def spread(norm: Any, y: Tensor) -> Tensor:
        size = y.std((2, 3), keepdim=True) + 1e-8
        return y / size * torch.as_tensor(norm.weight).view(-1, 1, 1)

    y = projected(time.input_head, time.norm1(x[0]))
    z = torch.empty(3, 8, 20, 2)
    for i in range(20):
        for j in range(2):
            z[:, :, i, j] = attended(time, y[:, :, i, j], periodic=False)
    after = x[0] + time.gamma.view(-1, 1, 1) * projected(time.output_head, time.norm2(z))
    y = projected(space.input_head, spread(space.norm1, after))
    z = torch.empty(3, 8, 20, 2)
    for frame in range(3):
        for j in range(2):
            z[frame, :, :, j] = attended(space, y[frame, :, :, j].T, periodic=periodic).T / 2
        for i in range(20):
            z[frame, :, i] += attended(space, y[frame, :, i].T, periodic=periodic).T / 2
    y = projected(space.output_head, spread(space.norm2, z))
    after = after + space.gamma_att.view(-1, 1, 1) * y
    y = space.mlp.fc2(torch.nn.functional.gelu(space.mlp.fc1(after.movedim(1, -1)))).movedim(-1, 1)
    expected = after + space.gamma_mlp.view(-1, 1, 1) * spread(space.mlp_norm, y)
    torch.testing.assert_close(block(x)[0], expected, atol=1e-4, rtol=1e-4)


@table("size", COUNTED)
def test_published_sizes_have_as_many_numbers(size):
    with torch.device("meta"):
        network = AViT(SIZES[size], (0,), 12, periodic=True)
    state = network.state_dict()
    assert sum(value.numel() for value in state.values()) == COUNTED[size]
    assert state["blocks.11.temporal.rel_pos_bias.relative_attention_bias.weight"].shape[0] == 32
    assert round(COUNTED[size] / 1e6) == STATED.get(size, round(COUNTED[size] / 1e6))


@torch.no_grad()
def test_reads_a_checkpoint_of_the_authors_and_chooses_rows_by_name(tmp_path):
    path, x = write(tmp_path / "ckpt.tar"), drawn(1, 3 * 2, 32, 48)
    model = MPPForecast(fields=["compNS.Vy", "pressure"], weights=path, history=3).eval()
    expected = random_network((7, 9)).eval()(x)
    assert torch.equal(model(x), expected)
    save_file(random_network().state_dict(), tmp_path / "state.safetensors")
    again = MPPForecast(
        fields=["compNS.Vy", "pressure"], weights=tmp_path / "state.safetensors", history=3
    )
    assert torch.equal(again.eval()(x), expected)
    scaled = model(3.0 * x + 40.0)
    torch.testing.assert_close(scaled, 3.0 * expected + 40.0, atol=1e-3, rtol=1e-4)
    edge = MPPForecast(fields=["compNS.Vy", "pressure"], weights=path, history=3, boundary="edge")
    x = drawn(1, 6, 64, 64)
    assert not torch.allclose(edge.eval()(x), model(x)), "the boundary matters"


@torch.no_grad()
def test_new_fields_get_rows_of_their_own_and_keep_the_rest(tmp_path):
    path = write(tmp_path / "ckpt.tar")
    model = MPPForecast(fields=["new.humidity", "h"], weights=path)
    known, own = random_network().state_dict(), model.network.state_dict()
    wider = {"space_bag.weight": 1, "debed.out_kernel": 1, "debed.out_bias": 0}
    for name, value in known.items():
        kept = own[name].narrow(wider[name], 0, 12) if name in wider else own[name]
        assert torch.equal(kept, value)
    assert own["debed.out_kernel"].shape[1] == 13
    assert isinstance(model.network, AViT)
    assert model.network.places.tolist() == [12, 0]
    assert model(drawn(1, 32, 32, 32)).shape == (1, 2, 32, 32)


def test_an_adapter_and_the_table_train():
    tuned = scionwood.attach(
        MPPForecast(fields=["h"], history=2), LoraConfig(r=2), targets="all-linear"
    )
    tuned(drawn(1, 2, 32, 32)).square().mean().backward()
    trained = {name for name, p in tuned.named_parameters() if p.grad is not None}
    for part in (
        "spatial.input_head",
        "temporal.output_head",
        "mlp.fc1",
        "space_bag",
        "out_kernel",
    ):
        assert any(part in name for name in trained), part
    assert not any("base_layer" in name for name in trained)


@table(
    ("fields", "text"),
    [
        (["Vx"], r"'Vx': several rows .* Choose among incompNS\.Vx, compNS\.Vx"),
        (["vorticity"], r"'vorticity': the weights have no such row.*or write new\.vorticity"),
        (["h", "swe.h"], "a state has each field once"),
        ([], "a state has one field or more"),
    ],
    ids=["ambiguous", "unknown", "twice", "none"],
)
def test_fields_are_refused_by_name(fields, text):
    with pytest.raises(RecipeError, match=text):
        MPPForecast(fields=fields)
    model = MPPForecast(fields=["h"], history=1)
    with pytest.raises(ValueError, match=r"a state of \(16, 16\) points"):
        model(drawn(1, 1, 16, 16))
    with pytest.raises(RecipeError, match="a periodic side is a multiple of 16"):
        model(drawn(1, 1, 40, 40))


def test_another_size_and_other_files_are_refused_by_name(tmp_path):
    path = write(tmp_path / "ckpt.tar")
    with pytest.raises(WeightsError, match=r"another model or size: it lacks blocks\.2\.spatial"):
        MPPForecast(weights=path, size="Ti")
    with pytest.raises(WeightsError, match=r"space_bag\.weight \(8, 12\) for \(8, 13\)"):
        MPPForecast(weights=path, rows=13)
    bad = write(tmp_path / "bad.tar", **{"space_bag.bias": torch.full((8,), torch.nan)})
    with pytest.raises(WeightsError, match=r"space_bag\.bias holds NaN"):
        MPPForecast(weights=bad)
    with pytest.raises(WeightsError, match="there is no such weights file"):
        MPPForecast(weights=tmp_path / "none.tar")
    (tmp_path / "text.tar").write_text("nonsense", "utf-8")
    with pytest.raises(WeightsError, match="not a readable PyTorch file"):
        MPPForecast(weights=tmp_path / "text.tar")
    with pytest.raises(RecipeError, match="history 17: 1 to 16 frames"):
        MPPForecast(history=17)
