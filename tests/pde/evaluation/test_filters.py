"""The linear filters: exact where the dynamics are linear, and honest where they are noise."""

from __future__ import annotations

import pytest
import torch
from case_table import table
from torch import Tensor

from scionwood import RecipeError
from scionwood_pde.evaluation.filters import FILTERS, Filters, fitted
from scionwood_pde.evaluation.metrics import vrmse
from scionwood_pde.evaluation.modes import Modes

SIDES = (12, 8, 6)


def random(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def error(filters: Filters, name: str, run: Tensor, steps: int) -> float:
    return float((filters.predict(name, run[0], steps) - run[steps]).abs().max())


@table("periodic", [(True,) * 3, (False,) * 3, (True, False, True)])
def test_the_transform_is_orthonormal_and_has_an_inverse(periodic):
    modes, fields = Modes(SIDES, periodic), random(2, *SIDES)
    z = modes.forward(fields)
    torch.testing.assert_close(modes.inverse(z), fields)
    torch.testing.assert_close(z.abs().square().sum(), fields.square().sum())


def test_shells_count_waves_in_the_longest_side():
    shells = Modes((8, 8), (True, False), (2.0, 1.0)).shells
    assert shells[:, 0].tolist() == [0, 1, 2, 3, 4, 3, 2, 1]
    assert shells[0, :3].tolist() == [0, 1, 2]  # cosine mode j has j / 2 waves in half the length


def test_the_mode_filter_solves_a_linear_equation():
    # One equation, many initial states: advection by a fixed velocity, and diffusion.
    k = torch.fft.fftfreq(16, 1 / 16, dtype=torch.float64)
    kx, ky, kz = torch.meshgrid(k, k, k, indexing="ij")
    factor = torch.exp(-0.02 * (kx**2 + ky**2 + kz**2) + 0.3j * (kx - 2 * ky))
    factor[8], factor[:, 8], factor[:, :, 8] = 0, 0, 0  # the highest mode has no direction
    runs = []
    for seed in range(3):
        state = torch.fft.fftn(random(1, 16, 16, 16, seed=seed), dim=(1, 2, 3))
        frames = [torch.fft.ifftn(state * factor**i, dim=(1, 2, 3)).real for i in range(5)]
        runs.append(torch.stack(frames))
    filters = fitted(runs[:2], Modes((16,) * 3, (True,) * 3))
    for steps in (1, 3):
        assert error(filters, "mode", runs[2], steps) < 1e-6 * float(runs[2].abs().max())
        assert error(filters, "shell", runs[2], steps) > 1e-2


def test_damped_persistence_solves_a_decaying_field():
    state = random(2, *SIDES)
    rates = torch.tensor([0.5, 0.9], dtype=torch.float64).reshape(2, 1, 1, 1)
    run = torch.stack([state * rates**i for i in range(6)])
    filters = fitted([run], Modes(SIDES, (True,) * 3))
    torch.testing.assert_close(filters.factors["damped"].flatten(), rates.flatten())
    for name in ("damped", "shell", "mode"):
        assert error(filters, name, run, 3) < 1e-9


@pytest.mark.parametrize("periodic", [True, False])
def test_a_mean_state_that_stays_is_kept_and_noise_is_dropped(periodic):
    wave = torch.sin(torch.linspace(0, 6, 12, dtype=torch.float64)).reshape(1, 1, 12, 1, 1)
    runs = [5 * wave + random(20, 1, *SIDES, seed=seed) for seed in range(6)]
    filters = fitted(runs[:5], Modes(SIDES, (periodic,) * 3))
    last, there = runs[5][0], runs[5][1][None, None]
    scores = {n: float(vrmse(filters.predict(n, last)[None, None], there)) for n in FILTERS}
    noise = float((there - 5 * wave).std() / there.std())
    assert scores["persistence"] > 1.3 * noise
    for name in ("damped", "shell", "mode", "shell by horizon"):
        assert scores[name] < 1.08 * noise


def test_a_filter_by_horizon_is_fitted_for_each_number_of_steps():
    # An oscillation: after two steps the sign is that of the start again.
    state = random(1, *SIDES)
    run = torch.stack([state * (-1) ** (i // 2) for i in range(16)])
    filters = fitted([run], Modes(SIDES, (True,) * 3))
    assert error(filters, "shell by horizon", run[2:], 4) < 0.3 * float(state.abs().max())
    assert error(filters, "shell", run[2:], 4) > 0.5 * float(state.abs().max())


def test_parts_of_a_long_trajectory_give_the_same_filters(monkeypatch):
    run = random(9, 1, *SIDES).cumsum(0)
    whole = fitted([run, run + 1], Modes(SIDES, (True,) * 3))
    monkeypatch.setattr("scionwood_pde.evaluation.filters.LIMIT", 16 * 3 * run[0].numel())
    parts = fitted([run, run + 1], Modes(SIDES, (True,) * 3))
    for name in ("damped", "shell", "mode"):
        torch.testing.assert_close(parts.factors[name], whole.factors[name])
    assert (len(whole.horizons), len(parts.horizons)) == (8, 2)


def test_filters_need_pairs_and_have_names():
    with pytest.raises(RecipeError, match="there is none"):
        fitted([random(1, 1, *SIDES)], Modes(SIDES, (True,) * 3))
    filters = fitted([random(3, 1, *SIDES)], Modes(SIDES, (True,) * 3))
    with pytest.raises(ValueError, match="known are persistence"):
        filters.predict("wiener", random(1, *SIDES))
