"""Calibration of rollouts: what it fits, what a run stores, and what is refused."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from scionwood import ReadError
from scionwood_pde.evaluation.horizons import Horizons, calibrated
from scionwood_pde.evaluation.modes import Modes

MODES = Modes((16, 16), (True, True))


class Still:
    """Predicts no change."""

    history, fields = 1, 1

    def __call__(self, x: Tensor) -> Tensor:
        return x

    def limited(self, x: Tensor) -> Tensor:
        return x


def test_shells_that_a_rollout_does_not_know_are_left_out(tmp_path):
    generator = torch.Generator().manual_seed(0)
    coarse = MODES.shells <= 4
    runs = []
    for _ in range(12):
        start, later = torch.randn(2, 1, 16, 16, generator=generator, dtype=torch.float64)
        z = torch.where(coarse, 0.5 * MODES.forward(start), MODES.forward(later))
        runs.append(torch.stack([start, MODES.inverse(z)]))
    horizons = calibrated(Still(), runs, MODES)
    x = torch.randn(1, 16, 16, generator=generator)
    z = MODES.forward(horizons.apply(x, x, step=1))
    known, rest = (z[:, part] for part in (coarse, ~coarse))
    torch.testing.assert_close(known, 0.5 * MODES.forward(x)[:, coarse], rtol=0.06, atol=0)
    assert rest.abs().mean() < 0.35 * MODES.forward(x)[:, ~coarse].abs().mean()
    assert torch.equal(horizons.apply(x, x, step=9), horizons.apply(x, x, step=1))
    horizons.write(tmp_path)
    assert Horizons.read(tmp_path) is not None
    text = (tmp_path / "horizons.json").read_text()
    (tmp_path / "horizons.json").write_text(text.replace('"sides": [\n  16', '"sides": [\n  64'))
    with pytest.raises(ReadError, match=r"two for each horizon, field and shell"):
        Horizons.read(tmp_path)
