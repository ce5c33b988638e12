"""Poseidon: the output of the authors' network, and folders in the published layout."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from case_table import table
from safetensors.torch import load_file, save_file
from torch import Tensor

from scionwood import RecipeError, WeightsError
from scionwood_pde.backbones import PoseidonForecast
from scionwood_pde.model.scot import Scot
from scionwood_pde.model.scot_shape import ScotShape, shape_of

CONFIG: dict[str, Any] = {
    "model_type": "swinv2",
    "image_size": 32,
    "patch_size": 4,
    "num_channels": 4,
    "num_out_channels": 4,
    "embed_dim": 12,
    "depths": [2, 2, 2],
    "num_heads": [3, 6, 12],
    "skip_connections": [1, 1, 0],
    "window_size": 4,
    "mlp_ratio": 2.0,
    "use_conditioning": True,
    "learn_residual": False,
    "residual_model": "convnext",
}


def write(folder: Path, **changes: Any) -> Path:
    """Write a folder as the authors publish it, with random weights, and return it."""
    config = CONFIG | changes
    network = Scot(shape_of(config))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in network.parameters():
            p.copy_(0.2 * torch.randn(p.shape, generator=generator))
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    save_file(network.state_dict(), folder / "model.safetensors")
    return folder


def state(fields: int, side: int = 32) -> Tensor:
    return torch.randn(2, fields, side, side, generator=torch.Generator().manual_seed(0))


AUTHORS: dict[float, list[float]] = {
    0.5: [0.25175, 0.39061, 0.31447, -0.11729, 0.33279, -0.31407, 0.0039, -0.70442],
    1.0: [-0.32119, 0.6358, -0.38658, -1.008, 0.51147, -0.71344, 0.28878, -1.35175],
}
"""Points of the output of the authors' network by lead time, with weights drawn by name.

It is `scOT.model.ScOT` of commit b8fa28f5 with transformers 4.29.2.
"""

LAYOUTS = {"tiny": "fea60e57cbcb22da", "T": "1e41c790ef3d0b4b"}
"""SHA-256 of names and shapes of its parameters, the first 16 digits; `T` as published."""


def by_name(name: str, shape: Sequence[int], scale: float = 0.2) -> Tensor:
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    return scale * torch.randn(*shape, generator=generator)


@table("lead", AUTHORS)
@torch.no_grad()
def test_a_state_dict_of_the_authors_network_gives_their_output(lead):
    network = Scot(shape_of(CONFIG), lead).eval()
    state = network.state_dict()
    network.load_state_dict({name: by_name(name, value.shape) for name, value in state.items()})
    y = network(by_name("x", (1, 4, 32, 32), 1.0))[0, :2, ::16, ::16].flatten()
    torch.testing.assert_close(y, torch.tensor(AUTHORS[lead]), atol=1e-5, rtol=0)


@table(("name", "shape"), [("tiny", shape_of(CONFIG)), ("T", ScotShape())])
def test_names_and_shapes_are_those_of_the_authors_network(name, shape):
    with torch.device("meta"):
        parameters = sorted(Scot(shape, 1.0).named_parameters())
    listing = "\n".join(f"{part} {tuple(value.shape)}" for part, value in parameters)
    assert hashlib.sha256(listing.encode()).hexdigest()[:16] == LAYOUTS[name]


@torch.no_grad()
def test_reads_a_published_folder_and_predicts_a_later_state(tmp_path):
    model = PoseidonForecast(weights=write(tmp_path), lead=0.5).eval()
    x = state(4)
    later = PoseidonForecast(weights=tmp_path, lead=1.0).eval()(x)
    assert model(x).shape == x.shape
    assert not torch.allclose(model(x), later), "the lead time matters"


@torch.no_grad()
def test_a_file_may_hold_the_buffers_of_older_transformers(tmp_path):
    expected = PoseidonForecast(weights=write(tmp_path))(state(4))
    path = tmp_path / "model.safetensors"
    network = Scot(shape_of(CONFIG))
    older = {n: b for n, b in network.named_buffers() if "relative" in n}
    assert older
    save_file(load_file(path) | {n: b.contiguous() for n, b in older.items()}, path)
    assert torch.equal(PoseidonForecast(weights=tmp_path)(state(4)), expected)


@torch.no_grad()
def test_other_fields_get_new_layers_and_keep_the_rest(tmp_path):
    known, other = (
        PoseidonForecast(weights=write(tmp_path)),
        PoseidonForecast(fields=2, weights=tmp_path),
    )
    assert other(state(2)).shape == (2, 2, 32, 32)
    both = (dict(model.network.named_parameters()) for model in (known, other))
    first, second = both
    new = {name for name in first if not torch.equal(first[name], second[name])}
    heads = ("embeddings.patch_embeddings.", "patch_recovery.")
    assert new == {name for name in first if name.startswith(heads)}


@torch.no_grad()
def test_random_weights_predict_no_change():
    model = PoseidonForecast(fields=3, side=32, width=6, depth=1)
    assert torch.equal(model(state(3)), state(3))
    with pytest.raises(ValueError, match=r"a state of \(16, 16\) points: Poseidon reads 32 x 32"):
        model(state(3, 16))


@table(
    ("changes", "rule"),
    [
        ({"model_type": "vit"}, "scOT is read as"),
        ({"residual_model": "resnet"}, "scOT is read as"),
        ({"depths": [2, 2]}, "each names the same 1 to 8"),
        ({"embed_dim": 10}, "10 channels have 3 heads"),
        ({"embed_dim": 10**9}, "each is between 1 and 4096"),
        ({"embed_dim": "12"}, "embed_dim '12': it is of the kind of 48"),
        ({"image_size": 36}, "image_size 36: it is a multiple"),
        ({"num_heads": None}, "num_heads None: it is of the kind of"),
    ],
    ids=["kind", "skips", "levels", "heads", "huge", "text", "side", "none"],
)
def test_another_network_is_refused_by_name(tmp_path, changes, rule):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG | changes), "utf-8")
    with pytest.raises(WeightsError, match=rule):
        PoseidonForecast(weights=tmp_path)


def test_missing_damaged_and_pickled_files_are_refused(tmp_path):
    with pytest.raises(WeightsError, match=r"config\.json"):
        PoseidonForecast(weights=tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "swinv2"}', "utf-8")
    with pytest.raises(WeightsError, match=r"image_size: config\.json lacks it"):
        PoseidonForecast(weights=tmp_path)
    (tmp_path / "config.json").write_text("[1", "utf-8")
    with pytest.raises(WeightsError, match="JSON"):
        PoseidonForecast(weights=tmp_path)
    write(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(WeightsError, match="Save pickled weights with safetensors"):
        PoseidonForecast(weights=tmp_path)
    write(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG | {"embed_dim": 24}), "utf-8")
    with pytest.raises(WeightsError, match="it is of another model or size"):
        PoseidonForecast(weights=tmp_path)
    with pytest.raises(RecipeError, match="image_size 100"):
        PoseidonForecast(side=100)
