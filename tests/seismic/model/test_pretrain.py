"""The pretraining script is reproducible, and the shipped weights come from it."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import safe_open

import scionwood_seismic
from scionwood_seismic.backbones import dinov3_unet
from scionwood_seismic.model.dinov3 import tiny_encoder
from scionwood_seismic.model.pretrain import SIZE, image, pretrain

SHIPPED = Path(scionwood_seismic.__file__).parent / "weights" / "dinov3_tiny.safetensors"


def test_images_depend_only_on_seed_and_index():
    assert torch.equal(image(0, 3), image(0, 3))
    assert not torch.equal(image(0, 3), image(0, 4))
    assert not torch.equal(image(0, 3), image(1, 3))


def test_images_are_finite_and_of_unit_amplitude():
    images = torch.stack([image(0, i) for i in range(30)])
    assert images.shape == (30, 1, SIZE, SIZE)
    assert images.isfinite().all()
    assert 0.5 < float(images.abs().mean()) < 1.5


def test_two_runs_of_the_script_agree_and_change_the_encoder():
    once, again = (pretrain(steps=2, batch=2, seed=5).state_dict() for _ in range(2))
    assert all(torch.equal(value, again[name]) for name, value in once.items())
    torch.manual_seed(5)
    start = tiny_encoder().state_dict()
    assert any(not torch.equal(value, start[name]) for name, value in once.items())


def test_the_shipped_file_is_small_and_records_its_origin():
    assert SHIPPED.stat().st_size < 6e6
    with safe_open(SHIPPED, "pt") as file:
        # The name that the module had when the file was written.
        assert file.metadata()["made_by"] == "scionwood_seismic.pretrain"
        assert '"seed": 0' in file.metadata()["options"]
        for name in ("blocks.0.gamma_1", "blocks.5.gamma_2"):
            assert file.get_tensor(name).abs().mean() > 0.1, "it does not suppress an adapter"


def test_shipped_weights_reconstruct_masked_patches_better_than_random_ones():
    """Return the error of a linear fit from maps to pixels, on images not used in training."""
    errors = {
        weights: _fit_error(dinov3_unet(size="tiny", weights=weights))
        for weights in ("shipped", "none")
    }
    assert errors["shipped"] < 0.9 * errors["none"]


def _fit_error(model: torch.nn.Module) -> float:
    torch.manual_seed(0)
    x = torch.stack([image(99, i) for i in range(128)])
    mask = torch.rand(128, 1, SIZE // 16, SIZE // 16) < 0.5
    hidden = mask.repeat_interleave(16, -2).repeat_interleave(16, -1)
    with torch.no_grad():
        maps = torch.cat(list(model.maps(x.masked_fill(hidden, 0.0))), 1)
    features = maps.permute(0, 2, 3, 1)[mask[:, 0]]
    pixels = torch.nn.functional.pixel_unshuffle(x, 16).permute(0, 2, 3, 1)[mask[:, 0]]
    half = len(features) // 2
    ridge = features[:half].T @ features[:half] + 100 * torch.eye(features.shape[1])
    weights = torch.linalg.solve(ridge, features[:half].T @ pixels[:half])
    return float((features[half:] @ weights - pixels[half:]).abs().mean())
