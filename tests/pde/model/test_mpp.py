"""MPP: the output of the authors' network, and files in their layout."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
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
from scionwood_pde.model.avit import SIZES, AViT

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


AUTHORS: dict[str, list[float]] = {
    "edge": [0.45892, 0.47447, 0.46365, 0.43808, 0.32344, 0.25412, 0.32235, 0.31215],
    "periodic": [0.46019, 0.47104, 0.45855, 0.43714, 0.30257, 0.25854, 0.30662, 0.30749],
}
"""Points of the output of the authors' network, commit e751fc25, with weights drawn by name."""

LAYOUTS = {"Ti": "32baa4b203a9eba5", "L": "4aa7de938745ac03"}
"""SHA-256 of names and shapes of its state dict, the first 16 digits."""


def by_name(name: str, shape: Sequence[int], scale: float = 0.3) -> Tensor:
    return scale * drawn(*shape, seed=zlib.crc32(name.encode()))


@table("boundary", AUTHORS)
@torch.no_grad()
def test_a_state_dict_of_the_authors_network_gives_their_output(boundary):
    network = AViT(SIZES["tiny"], (7, 9), 12, periodic=boundary == "periodic").eval()
    state = network.state_dict()
    network.load_state_dict({name: by_name(name, value.shape) for name, value in state.items()})
    y = network(by_name("x", (1, 6, 32, 48), 1.0))[0, :, ::16, ::24].flatten()
    torch.testing.assert_close(y, torch.tensor(AUTHORS[boundary]), atol=1e-5, rtol=0)


@table("size", COUNTED)
def test_published_sizes_have_as_many_numbers(size):
    with torch.device("meta"):
        network = AViT(SIZES[size], (0,), 12, periodic=True)
    state = network.state_dict()
    assert sum(value.numel() for value in state.values()) == COUNTED[size]
    listing = "\n".join(f"{name} {tuple(value.shape)}" for name, value in sorted(state.items()))
    digest = hashlib.sha256(listing.encode()).hexdigest()[:16]
    assert digest == LAYOUTS.get(size, digest)
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
