"""Walrus: its parts against plain sums, and files in the authors' layout."""

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
from torch.nn import functional as F

import scionwood
import scionwood_pde as pde
from scionwood import RecipeError, WeightsError
from scionwood_pde.backbones import WalrusForecast
from scionwood_pde.backbones.walrus import FIELDS
from scionwood_pde.data.normaliser import Normaliser
from scionwood_pde.inference import rollout
from scionwood_pde.model.walrus import SIZES, Walrus, WalrusBlock
from scionwood_pde.model.walrus_coder import frame_of, padded

FILE_BYTES = 5_145_064_530
"""Size of the authors' file, as their notebook prints it."""


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def published(places: tuple[int, ...] = (3,)) -> Walrus:
    """Return a small network with both coders, as the file has them."""
    network = Walrus(SIZES["tiny"], places, 67, ("periodic", "periodic"), coders=(2, 3))
    with torch.no_grad():
        for number, p in enumerate(network.parameters()):
            p.copy_(0.2 * drawn(*p.shape, seed=number))
    return network


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a checkpoint as the authors' trainer does, with random weights."""
    path = tmp_path_factory.mktemp("walrus") / "walrus.pt"
    torch.save({"app": {"model": published().state_dict()}}, path)
    return path


def test_the_published_size_has_as_many_numbers_as_the_file():
    with torch.device("meta"):
        network = Walrus(SIZES["full"], (3,), 67, ("open", "open"), coders=(2, 3))
    state = network.state_dict()
    numbers = sum(value.numel() for value in state.values())
    assert numbers == 1_286_199_487
    rest = FILE_BYTES - 4 * numbers
    assert 0 < rest < 1000 * len(state), "a file has a few hundred bytes for each tensor"
    assert state["embed.2.proj1.weight"].shape == (352, 67, 8, 8, 8)
    assert state["blocks.39.space_mixing.fused_ff_qkv.weight"].shape == (9856, 1408)
    assert state["blocks.0.space_mixing.rotary_emb.freqs"].shape == (11,)
    assert [FIELDS.index(name) for name in ("density", "mask", "buoyancy", "C_zz")] == [
        28,
        38,
        53,
        66,
    ]


def rotated(x: Tensor, place: tuple[float, ...]) -> Tensor:
    """Turn the first pairs of a vector by the angles of a place, one pair after another."""
    out, rate = x.clone(), [math.pi * (1 + 127 * i / 1) for i in range(2)]
    angles = [axis * r for axis in place for r in rate]
    for n, angle in enumerate(angles):
        a, b = x[2 * n], x[2 * n + 1]
        out[2 * n] = a * math.cos(angle) - b * math.sin(angle)
        out[2 * n + 1] = b * math.cos(angle) + a * math.sin(angle)
    return out


@torch.no_grad()
def test_a_block_equals_plain_sums():
    block = WalrusBlock(32, 2)
    for number, p in enumerate(block.parameters()):
        p.copy_(0.3 * drawn(*p.shape, seed=number))
    x = drawn(1, 3, 32, 3, 2, 1, seed=99)
    time, space = block.time_mixing, block.space_mixing

    def normed(norm: Any, y: Tensor) -> Tensor:
        size = (y.square().mean((1, 2, 3), keepdim=True) + torch.finfo().eps).sqrt()
        out: Tensor = y / size * norm.weight.view(-1, 1, 1, 1)
        return out

    y = torch.stack([normed(time.norm1, frame) for frame in x[0]])
    layer = time.input_head
    wide = torch.einsum("oc,tcxyz->toxyz", layer.weight.flatten(1), y)
    wide = wide + layer.bias.view(-1, 1, 1, 1)
    seen = torch.zeros(3, 32, 3, 2, 1)
    table = time.rel_pos_bias.relative_attention_bias.weight
    for i, j, head in [(i, j, head) for i in range(3) for j in range(2) for head in range(2)]:
        q, k, v = wide[:, 48 * head : 48 * head + 48, i, j, 0].chunk(3, -1)
        q, k = time.qnorm(q), time.knorm(k)
        for now in range(3):
            scores = [q[now] @ k[t] / 4 + table[now - t, head] for t in range(now + 1)]
            part = torch.stack(scores).softmax(0) @ v[: now + 1]
            seen[now, 16 * head : 16 * head + 16, i, j, 0] = part
    after = x[0] + F.conv3d(seen, time.output_head.weight, time.output_head.bias)
    places = [(-1 + i, -1 + 2 * j, -1) for i in range(3) for j in range(2)]
    expected = after.clone()
    for frame in range(3):
        tokens = normed(space.norm1, after[frame]).flatten(1).T
        ff, q, k, v = space.fused_ff_qkv(tokens).split([128, 32, 32, 32], -1)
        heads = []
        for head in range(2):
            cut = slice(16 * head, 16 * head + 16)
            turned = [
                torch.stack([rotated(a, p) for a, p in zip(norm(b[:, cut]), places, strict=True)])
                for norm, b in ((space.q_norm, q), (space.k_norm, k))
            ]
            heads.append((turned[0] @ turned[1].T / 4).softmax(-1) @ v[:, cut])
        mlp = space.ff_out(ff[:, :64] * F.silu(ff[:, 64:]))
        out = space.attn_out(torch.cat(heads, -1)) + mlp
        expected[frame] += out.T.reshape(32, 3, 2, 1)
    torch.testing.assert_close(block(x)[0], expected, atol=1e-4, rtol=1e-4)


def test_padding_is_marked_and_goes_around_periodic_axes():
    frame = frame_of((128, 256), ("wall", "periodic"))
    assert frame.strides == ((2, 2), (4, 2), (1, 1))
    assert frame.pads == (5 + 2, 6, 0)
    x = drawn(1, 1, 128, 256, 1)
    y = padded(x, frame, (0, 0, 0))
    assert y.shape == (1, 4, 142, 268, 1)
    assert torch.equal(y[:, :1, 7:-7, 6:-6], x)
    assert torch.equal(y[:, :, :, :6], y[:, :, :, -12:-6]), "around the periodic axis"
    inside, wall, beyond = y[0, 1:, :, 0, 0]
    assert inside.tolist() == [0.0] * 7 + [1.0] * 128 + [0.0] * 7
    assert torch.equal(wall, 1 - inside)
    assert not beyond.any()


@torch.no_grad()
def test_reads_a_checkpoint_and_chooses_rows_by_name(checkpoint, tmp_path):
    x = drawn(1, 2 * 2, 32, 32)
    model = WalrusForecast(fields=["velocity_y", "pressure"], weights=checkpoint, history=2).eval()
    assert model.head == ("scales",), "rows that the weights know stay"
    theirs = published((5, 3)).eval()
    assert torch.equal(model(x), theirs(x))
    torch.testing.assert_close(model(7 * x), 7 * model(x), atol=1e-3, rtol=1e-4)
    moved = model(x.roll((3, 5), (2, 3))).roll((-3, -5), (2, 3))
    assert not torch.allclose(moved, model(x)), "positions are seen"
    save_file(published().state_dict(), tmp_path / "walrus.safetensors")
    again = WalrusForecast(
        fields=["velocity_y", "pressure"], weights=tmp_path / "walrus.safetensors", history=2
    )
    assert torch.equal(again.eval()(x), model(x))


@pytest.mark.parametrize("faces", [["periodic"], ["open", "wall"]])
@torch.no_grad()
def test_shifts_leave_a_random_but_valid_state(faces):
    model = WalrusForecast(fields=["tracer"], history=2, faces=faces, jitter=True).eval()
    x = drawn(1, 2, 128, 32)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first, second = model(x), model(x)
    assert first.shape == (1, 1, 128, 32)
    assert not torch.equal(first, second)
    plain = WalrusForecast(fields=["tracer"], history=2, faces=faces).eval()
    assert torch.equal(plain(x), plain(x))


@torch.no_grad()
def test_a_rollout_of_planes_repeats_the_step():
    states = pde.simulate(equation="burgers", dims=2, n=2, n_points=32, n_steps=5, seed=1)
    names = tuple(map(str, states.channel.values))
    scale = Normaliser(names, (1.0, 0.0), (2.0, 0.5))
    model = WalrusForecast(fields=["velocity_x", "velocity_y"], history=3).eval()
    predicted = rollout(model, states, 2, normaliser=scale)
    assert predicted.dims == states.dims
    mean, std = torch.tensor([[1.0, 0.0], [2.0, 0.5]]).view(2, 2, 1, 1)
    for start in range(2):
        frames = torch.from_numpy(predicted.values[1, start : start + 3])
        following = model(((frames - mean) / std).flatten(0, 1)[None])[0] * std + mean
        torch.testing.assert_close(torch.from_numpy(predicted.values[1, start + 3]), following)
    scores = pde.evaluate(predicted[:, 2:], states)
    assert float(scores[0]["vrmse"]) > 0


@torch.no_grad()
def test_volumes_and_new_fields(checkpoint):
    model = WalrusForecast(
        fields=["new.dust", "density"], dims=3, weights=checkpoint, history=1
    ).eval()
    assert isinstance(model.network, Walrus)
    assert model.network.places.tolist() == [67, 28]
    stored = published().state_dict()["embed.3.proj1.weight"]
    own = model.network.state_dict()["embed.3.proj1.weight"]
    assert torch.equal(own[:, :67], stored)
    assert own.shape[1] == 68
    assert model.head == ("network.embed", "network.debed", "scales")
    assert model(drawn(1, 2, 16, 16, 16)).shape == (1, 2, 16, 16, 16)


def test_an_adapter_trains_every_kind_of_layer(checkpoint):
    base = WalrusForecast(fields=["height"], weights=checkpoint, history=2)
    tuned = scionwood.attach(base, LoraConfig(r=2), targets="all-linear")
    tuned(drawn(1, 2, 32, 32)).square().mean().backward()
    trained = {name for name, p in tuned.named_parameters() if p.grad is not None}
    for part in ("input_head", "output_head", "fused_ff_qkv", "attn_out", "ff_out"):
        assert any(part in name for name in trained), part
    assert all("lora" in name for name in trained)


@table(
    ("options", "text"),
    [
        ({"fields": ["vorticity"]}, "'vorticity': the weights have no such row"),
        ({"fields": ["open_boundary"]}, "these rows mark the padding"),
        ({"dims": 1}, "dims 1, faces .*: a state has 2 or 3 axes"),
        ({"faces": ["periodic"] * 3}, "a state has 2 or 3 axes, and each"),
        ({"faces": ["closed"]}, "each is periodic, open or wall"),
        ({"history": 7}, "history 7: 1 to 6 frames"),
    ],
    ids=["unknown", "mark", "dims", "many", "face", "history"],
)
def test_wrong_options_are_refused(options, text):
    with pytest.raises(RecipeError, match=text):
        WalrusForecast(**options)


def test_other_sides_sizes_and_files_are_refused(checkpoint, tmp_path):
    model = WalrusForecast(fields=["height"], history=1)
    with pytest.raises(ValueError, match=r"\(64, 64\) points: in 2 dimensions .* 32, 128, 256"):
        model(drawn(1, 1, 64, 64))
    for hub in ("hub", "hub:main"):
        with pytest.raises(WeightsError, match="the hub has the size full, 5 GB, and this is tiny"):
            WalrusForecast(weights=hub)
    with pytest.raises(WeightsError, match="there is no such weights file"):
        WalrusForecast(weights=tmp_path / "none.pt")
    torch.save({"model": {}}, tmp_path / "other.pt")
    with pytest.raises(WeightsError, match="no dictionary of tensors at app / model"):
        WalrusForecast(weights=tmp_path / "other.pt")
    state = published().state_dict()
    del state["debed.3.proj2.bias"]
    torch.save({"app": {"model": state}}, tmp_path / "part.pt")
    with pytest.raises(WeightsError, match=r"another model.* lacks debed\.3\.proj2\.bias"):
        WalrusForecast(weights=tmp_path / "part.pt")
