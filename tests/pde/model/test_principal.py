"""A model with principal components as weights reconstructs smooth fields without training."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from scionwood_pde.backbones import Tadpole
from scionwood_pde.model.principal import HALVINGS, components, principal_start
from scionwood_pde.solvers.initial import TruncatedFourier
from scionwood_pde.solvers.spectral import Grid


def smooth(count: int, seed: int) -> Tensor:
    """Return fields (count, 1, 32, 32, 32) of unit variance, with waves of at least 10 voxels."""
    grid = Grid(32, 3, 1.0, torch.float32, "cpu")
    draw = TruncatedFourier(cutoff=3, scaling="deviation")
    return draw(grid, count, 1, torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def started() -> Tadpole:
    model = Tadpole()
    principal_start(model, smooth(48, 0), torch.Generator().manual_seed(0))
    return model.eval()


def rms(x: Tensor) -> float:
    return float(x.square().mean().sqrt())


def test_reconstructs_fields_like_those_of_its_components(started: Tadpole) -> None:
    x = smooth(2, 1)
    with torch.no_grad():
        assert rms(started(x) - x) < 0.3
        assert rms(Tadpole()(x) - x) > 0.9


def test_the_layer_norm_preserves_amplitudes(started: Tadpole) -> None:
    x = smooth(1, 2)
    with torch.no_grad():
        once, half = started(x), started(x / 2)
    assert rms(half - once / 2) < 0.05 * rms(once)


def test_latents_have_unit_variance(started: Tadpole) -> None:
    with torch.no_grad():
        mean = started.encode(smooth(16, 0)).mean
    assert 0.8 < rms(mean) < 1.2


def test_channels_beyond_the_components_receive_gradients(started: Tadpole) -> None:
    x = smooth(1, 3)
    (started(x) - x).square().mean().backward()
    for name in HALVINGS[1:]:
        grad = started.encoder.get_parameter(f"{name}.weight").grad
        assert grad is not None
        assert bool(grad.flatten(2).abs().sum(2).bool().all())
    started.zero_grad()


def test_components_are_orthonormal_and_sorted() -> None:
    maps = torch.randn(4, 3, 8, 8, 8, generator=torch.Generator().manual_seed(0))
    maps[:, 1] *= 5
    rows = components(maps, 9)
    flat = rows.flatten(1)
    torch.testing.assert_close(flat @ flat.T, torch.eye(9), atol=1e-5, rtol=0)
    share = rows.square().sum(1)  # of each channel
    assert float(share[:8, 1].min()) > 0.9 > 0.1 > float(share[8, 1])
