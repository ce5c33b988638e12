"""Properties of every denoiser, for any encoder, and of the decoder."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from case_table import table

from scionwood_seismic.dino.decoder import Decoder
from scionwood_seismic.dino.unet import DenoisingUNet


@pytest.fixture
def model(family: Any, denoiser: Any) -> DenoisingUNet:
    """A small denoiser of every kind."""
    return denoiser(*family).eval()


@table("shape", [(1, 1), (16, 16), (25, 130), (128, 17)])
def test_accepts_gathers_of_any_size(model, shape):
    x = torch.randn(2, 1, *shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert model(x).shape == x.shape


def test_maps_have_the_stride_of_the_decoder(model):
    with torch.no_grad():
        maps = model.maps(torch.zeros(1, 1, 64, 96))
    assert [tuple(x.shape[-2:]) for x in maps] == [(4, 6)] * 4


def test_a_map_value_depends_on_the_samples_at_its_position(model):
    """A burst changes the first map most at its own position; maps are not flipped or shifted."""
    generator = torch.Generator().manual_seed(0)
    quiet = torch.randn(1, 1, 128, 64, generator=generator)
    burst = quiet.clone()
    burst[..., 96:112, 16:32] = 9 * torch.randn(16, 16, generator=generator)
    with torch.no_grad():
        moved = (model.maps(burst)[0] - model.maps(quiet)[0]).square().sum((0, 1))
    assert divmod(int(moved.argmax()), moved.shape[1]) == (6, 1)


def test_the_stem_trains_with_the_decoder_if_weights_are_random(model):
    assert model.head[0] == "decoder"
    assert set(model.head) & {"encoder.patch_embed", "encoder.stem"}


@pytest.fixture
def decoder() -> Decoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Decoder(12, 2, width=8)


def maps(x: torch.Tensor) -> list[torch.Tensor]:
    return [torch.zeros(len(x), 12, x.shape[2] // 16, x.shape[3] // 16) for _ in range(2)]


def test_noise_and_clean_predictions_are_complements(decoder):
    x = torch.randn(2, 1, 32, 48)
    kept = decoder(x, maps(x))
    decoder.predict = "clean"
    torch.testing.assert_close(kept + decoder(x, maps(x)), x)


def test_a_change_of_one_sample_changes_the_output_there(decoder):
    """The convolutional path carries detail that a patch of 16 x 16 samples cannot."""
    x = torch.zeros(1, 1, 32, 32)
    y = x.clone()
    y[..., 13, 21] = 5
    change = (decoder(y, maps(y)) - decoder(x, maps(x))).abs()[0, 0]
    assert divmod(int(change.argmax()), 32) == (13, 21)
