"""The shipped weights, and a model that starts from principal components."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

import scionwood_pde.model.pretrain as script
from scionwood_pde.backbones import Tadpole
from scionwood_pde.model.pretrain import EQUATIONS, HELD_OUT, reconstruction_error
from scionwood_pde.model.principal import components, near_linear, principal_start
from scionwood_pde.online import Cropper, InProcessSource, OnlineLoop, Schedule, Simulator
from scionwood_pde.solvers.initial import TruncatedFourier
from scionwood_pde.solvers.spectral import Grid

WEIGHTS = Path(script.__file__).parents[1] / "weights"


def test_shipped_weights_are_small_and_described():
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) < 6e6
    assert "scionwood_pde.model.pretrain" in (WEIGHTS / "README.md").read_text("utf-8")


def test_shipped_weights_reconstruct_fields_that_they_have_not_seen():
    shipped, random = Tadpole(weights="shipped"), Tadpole()
    near_linear(random, torch.Generator().manual_seed(0))
    assert not set(HELD_OUT) & set(EQUATIONS)
    known = reconstruction_error(shipped, HELD_OUT, per_equation=2)
    unknown = reconstruction_error(random, HELD_OUT[:1], per_equation=2)
    assert max(known.values()) < 0.2
    assert min(unknown.values()) > 0.8


def test_shipped_weights_reconstruct_cubes_of_another_mean_and_scale():
    """As tiles of a domain have them that is normalised as a whole."""
    shipped = Tadpole(weights="shipped", tile=None).eval()
    loop = OnlineLoop(
        InProcessSource(Simulator(HELD_OUT[:1], 48, branch="test")), Cropper(32), Schedule(1, 1, 1)
    )
    x = torch.stack([next(loop) for _ in range(2)])
    with torch.no_grad():
        for scale, mean in ((1.0, 0.0), (0.7, 1.0), (0.3, 0.5)):
            error = shipped(scale * x + mean) - (scale * x + mean)
            assert error.square().mean().sqrt() / scale < 0.1


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


def test_reconstructs_fields_like_those_of_its_components(started):
    x = smooth(2, 1)
    with torch.no_grad():
        assert rms(started(x) - x) < 0.3
        assert rms(Tadpole()(x) - x) > 0.9


def test_components_are_orthonormal_and_sorted():
    maps = torch.randn(4, 3, 8, 8, 8, generator=torch.Generator().manual_seed(0))
    maps[:, 1] *= 5
    rows = components(maps, 9)
    flat = rows.flatten(1)
    torch.testing.assert_close(flat @ flat.T, torch.eye(9), atol=1e-5, rtol=0)
    share = rows.square().sum(1)  # of each channel
    assert float(share[:8, 1].min()) > 0.9 > 0.1 > float(share[8, 1])
