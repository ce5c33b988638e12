"""Measures against those of other libraries, and figures."""

from __future__ import annotations

from math import pi

import numpy as np
import pytest
import torch
import xarray as xr
from PIL import Image, ImageSequence
from torch import Tensor

from scionwood import OutputExistsError
from scionwood_pde.evaluation.figures import animate, error_growth, slices
from scionwood_pde.evaluation.metrics import (
    by_window,
    conserved_error,
    enstrophy,
    nrmse,
    spectral_error,
    spectrum,
    vrmse,
)
from scionwood_pde.readers.write import sample_states


@pytest.fixture
def pair() -> tuple[Tensor, Tensor]:
    """Predicted and reference states, (sample 2, time 3, channel 2, 8, 8, 8)."""
    generator = torch.Generator().manual_seed(0)
    scale = torch.tensor([3.0, 0.2]).reshape(2, 1, 1, 1)
    predicted, reference = torch.randn(2, 2, 3, 2, 8, 8, 8, generator=generator)
    return predicted * scale + 0.5, reference * scale + 1


def box(n: int, dims: int = 3) -> list[Tensor]:
    line = 2 * pi * torch.arange(n, dtype=torch.float64) / n
    return list(torch.meshgrid(*[line] * dims, indexing="ij"))


def test_vrmse_equals_that_of_the_well(pair):
    predicted, reference = pair
    for at in np.ndindex(2, 3, 2):
        x, y = predicted[at].double().numpy().ravel(), reference[at].double().numpy().ravel()
        wanted = np.sqrt(((x - y) ** 2).mean() / (y.std(ddof=1) ** 2 + 1e-7))
        assert float(vrmse(predicted, reference)[at]) == pytest.approx(wanted, rel=1e-6)


def test_nrmse_and_the_conserved_error_equal_those_of_pdebench(pair):
    predicted, reference = (each.double().numpy() for each in pair)
    rmse = np.sqrt(((predicted - reference) ** 2).mean((3, 4, 5)))
    wanted = (rmse / np.sqrt((reference**2).mean((3, 4, 5)))).mean(0)
    np.testing.assert_allclose(nrmse(*pair).mean(0), wanted, rtol=1e-6)
    sums = predicted.sum((3, 4, 5)) - reference.sum((3, 4, 5))
    wanted = np.sqrt((sums**2).mean(0)) / 8**3
    np.testing.assert_allclose(conserved_error(*pair).square().mean(0).sqrt(), wanted, rtol=1e-5)


def test_a_perfect_prediction_is_0_and_the_mean_is_1(pair):
    reference = pair[1].double()
    mean = reference.mean((3, 4, 5), keepdim=True).expand_as(reference)
    assert vrmse(reference, reference).max() == nrmse(reference, reference).max() == 0
    np.testing.assert_allclose(vrmse(mean, reference), np.sqrt(511 / 512), rtol=1e-5)  # n - 1
    assert conserved_error(mean, reference).max() < 1e-12


def test_refuses_shapes_that_do_not_fit():
    fields, cube = torch.zeros(1, 2, 3, 4, 4, 4), torch.zeros(4, 4, 4)
    for metric in (vrmse, nrmse, conserved_error, spectral_error):
        for pair in ((fields, fields[:, :1]), (cube, cube)):
            with pytest.raises(ValueError, match="of one shape"):
                metric(*pair)
    with pytest.raises(ValueError, match="equal sides"):
        spectral_error(torch.zeros(1, 1, 1, 4, 4, 8), torch.zeros(1, 1, 1, 4, 4, 8))
    with pytest.raises(ValueError, match="as many components as axes"):
        enstrophy(torch.zeros(2, 4, 4, 4), [1.0] * 3)


def test_the_spectrum_of_a_wave_is_half_its_mean_square_in_its_shell():
    x, y, _ = box(16)
    wave = 3 * torch.sin(3 * x) * torch.cos(4 * y)  # |k| = 5
    waves, power = spectrum(wave, [2 * pi] * 3)
    np.testing.assert_allclose(waves, range(9))
    wanted = np.zeros(9)
    wanted[5] = 9 / 4 / 2
    np.testing.assert_allclose(power, wanted, atol=1e-12)


def test_a_spectrum_adds_up_to_half_the_mean_square():
    noise = torch.randn(2, 3, 32, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    _, power = spectrum(noise, [5.0])
    np.testing.assert_allclose(power.sum(-1), noise.square().mean(-1) / 2)


def test_shells_refer_to_the_longest_side():
    line = 2 * pi * torch.arange(16, dtype=torch.float64) / 16
    wave = torch.cos(2 * line)[:, None].expand(16, 8)  # two waves over 4, nothing over 1
    waves, power = spectrum(wave, [4.0, 1.0])
    assert float(waves[int(power.argmax())]) == pytest.approx(2 * 2 * pi / 4)


def test_the_spectral_error_equals_that_of_the_well(pair):
    predicted, reference = (each.double().numpy() for each in pair)
    power = np.abs(np.fft.fftn(predicted - reference, axes=(3, 4, 5))) ** 2 / 8**6
    k = 2 * np.pi * np.fft.fftfreq(8)
    size = np.sqrt(k[:, None, None] ** 2 + k[:, None] ** 2 + k**2)
    edges = [0.0, *np.geomspace(2 * np.pi / 8, np.pi, 4)[1:]]
    error = spectral_error(*pair)
    assert error.shape == (2, 3, 2, 3)
    for i in range(3):
        inside = (size >= edges[i]) & (size < edges[i + 1] - 1e-6)
        np.testing.assert_allclose(error[..., i], power[..., inside].sum(-1), rtol=1e-5)


def test_the_enstrophy_of_a_taylor_green_flow():
    x, y, z = box(16)
    u, v = torch.sin(x) * torch.cos(y) * torch.cos(z), -torch.cos(x) * torch.sin(y) * torch.cos(z)
    flow = torch.stack([u, v, torch.zeros_like(u)])
    assert float(enstrophy(flow, [2 * pi / 16] * 3)) == pytest.approx(3 / 8, rel=1e-12)
    x, y = box(16, 2)
    flow = torch.stack([torch.sin(x) * torch.cos(y), -torch.cos(x) * torch.sin(y)])
    assert float(enstrophy(flow, [2 * pi / 16] * 2)) == pytest.approx(1 / 2, rel=1e-12)


def test_windows_average_over_the_available_steps():
    errors = torch.arange(20.0).reshape(1, 20, 1)
    means = {name: float(value) for name, value in by_window(errors).items()}
    assert means == {"1": 0, "6:12": 8.5, "13:30": 16}
    assert list(by_window(errors[:, :5])) == ["1"]


@pytest.fixture
def states() -> xr.DataArray:
    return sample_states()


def test_slices_show_the_middle_plane_in_one_colour_scale(states):
    figure = slices({"reference": states, "predicted": 0.1 * states}, sample=1, time=2)
    first, second = (
        next(axes for axes in figure.axes if axes.get_title() == f"u_y, {title}").images[0]
        for title in ("reference", "predicted")
    )
    np.testing.assert_array_equal(first.get_array(), states.values[1, 2, 1, :, :, 1].T)
    assert first.get_clim() == second.get_clim()
    assert first.get_extent() == [-0.25, 1.75, -0.25, 1.25]  # cells around their points
    assert figure.get_suptitle() == "sample 1, time 0.2 s, middle of z"
    (image,) = next(a for a in figure.axes if a.get_title() == "u_y, predicted - reference").images
    wanted = -0.9 * states.values[1, 2, 1, :, :, 1].T
    np.testing.assert_allclose(image.get_array(), wanted, rtol=1e-5)
    low, high = image.get_clim()  # a scale of its own
    assert low == -high
    assert high == pytest.approx(np.abs(wanted).max(), rel=0.1)
    figure.draw_without_rendering()


def test_error_growth_starts_at_step_1_and_marks_the_horizons():
    samples = np.linspace(0.1, 2, 13) * np.array([[1.0], [3.0]])
    figure = error_growth({"u_x": samples}, baselines={"persistence": np.ones(13)})
    axes = figure.axes[0]
    mean, beside = axes.lines[:2]
    assert mean.get_xdata().tolist() == list(range(1, 14))
    np.testing.assert_allclose(mean.get_ydata(), np.linspace(0.2, 4, 13))
    assert [beside.get_label(), *beside.get_ydata()] == ["persistence", *[1.0] * 13]
    spans = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in axes.patches]
    assert spans == [(0.5, 1.5), (6.5, 12.5)]
    assert [text.get_text() for text in axes.texts] == ["1", "6:12"]
    figure.draw_without_rendering()


def test_an_animation_has_one_frame_for_each_time(states, tmp_path):
    target = tmp_path / "rollout.gif"
    animate({"reference": states, "predicted": 0.5 * states}, target, notes=["given", "far"])
    with Image.open(target) as film:
        assert film.format == "GIF"
        frames = [np.asarray(frame.convert("L")) for frame in ImageSequence.Iterator(film)]
    assert len(frames) == 3
    labels = [frame[-60:] < 90 for frame in frames]  # ink below the panels
    assert labels[0].sum() > 1000
    assert max((other != labels[0]).sum() for other in labels) < 100, "the panels stay in place"
    with pytest.raises(OutputExistsError):
        animate({"reference": states}, target)
