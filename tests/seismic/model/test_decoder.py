from __future__ import annotations

import pytest
import torch

from scionwood_seismic.model.decoder import Decoder


@pytest.fixture
def decoder() -> Decoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Decoder(12, 2, width=8)


def maps(x: torch.Tensor) -> list[torch.Tensor]:
    return [torch.zeros(len(x), 12, x.shape[2] // 16, x.shape[3] // 16) for _ in range(2)]


def test_noise_and_clean_predictions_are_complements(decoder: Decoder) -> None:
    x = torch.randn(2, 1, 32, 48)
    kept = decoder(x, maps(x))
    decoder.predict = "clean"
    torch.testing.assert_close(kept + decoder(x, maps(x)), x)


def test_a_change_of_one_sample_changes_the_output_there(decoder: Decoder) -> None:
    """The convolutional path carries detail that a patch of 16 x 16 samples cannot."""
    x = torch.zeros(1, 1, 32, 32)
    y = x.clone()
    y[..., 13, 21] = 5
    change = (decoder(y, maps(y)) - decoder(x, maps(x))).abs()[0, 0]
    assert divmod(int(change.argmax()), 32) == (13, 21)


def test_the_output_depends_on_the_maps_of_the_vit(decoder: Decoder) -> None:
    x = torch.randn(1, 1, 32, 32)
    other = [m + 1 for m in maps(x)]
    assert not torch.allclose(decoder(x, maps(x)), decoder(x, other))
