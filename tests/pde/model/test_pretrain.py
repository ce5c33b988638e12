"""The shipped weights: the seeded script that makes them, and their reconstruction errors."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import scionwood_pde.model.pretrain as script
from scionwood_pde.backbones import Tadpole
from scionwood_pde.model.pretrain import EQUATIONS, HELD_OUT, pretrain, reconstruction_error
from scionwood_pde.model.principal import near_linear
from scionwood_pde.online import Cropper, InProcessSource, OnlineLoop, Schedule, Simulator

WEIGHTS = Path(script.__file__).parents[1] / "weights"


def test_shipped_weights_are_small_and_described() -> None:
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) < 6e6
    assert "scionwood_pde.model.pretrain" in (WEIGHTS / "README.md").read_text("utf-8")


@pytest.mark.slow
def test_two_runs_of_the_script_agree() -> None:
    """Up to rounding, which on some CPUs depends on the memory addresses of tensors."""
    x = torch.randn(2, 1, 32, 32, 32, generator=torch.Generator().manual_seed(0))
    once, again, other = (
        pretrain(steps=1, shifted_steps=1, batch=1, measured=32, seed=s).eval()(x).detach()
        for s in (3, 3, 4)
    )
    assert (again - once).norm() < 0.01 * (other - once).norm()


def test_shipped_weights_reconstruct_fields_that_they_have_not_seen() -> None:
    shipped, random = Tadpole(weights="shipped"), Tadpole()
    near_linear(random, torch.Generator().manual_seed(0))
    assert not set(HELD_OUT) & set(EQUATIONS)
    known = reconstruction_error(shipped, HELD_OUT, per_equation=2)
    unknown = reconstruction_error(random, HELD_OUT[:1], per_equation=2)
    assert max(known.values()) < 0.2
    assert min(unknown.values()) > 0.8


def test_shipped_weights_reconstruct_cubes_of_another_mean_and_scale() -> None:
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
