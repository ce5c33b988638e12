from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from case_table import table
from PIL import Image

from scionwood import OutputExistsError
from scionwood_pde.evaluation.figures import animate, error_growth, slices, spectra
from scionwood_pde.readers.write import sample_states


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


@table("axes", ["z", "yz", ""])
def test_planes_lines_and_constant_fields_can_be_drawn(states, axes):
    flat = states.isel(dict.fromkeys(axes, 0)).drop_vars(list(axes))
    slices({"reference": flat if axes else xr.zeros_like(states)}).draw_without_rendering()


def test_spectra_omit_the_mean():
    lines = {"reference": np.array([9.0, 3, 2, 0]), "predicted": np.array([9.0, 3, 1e-20, 1])}
    figure = spectra(np.arange(4.0), {"u_x": lines, "p": lines}, unit="m")
    assert [axes.get_title() for axes in figure.axes] == ["u_x", "p"]
    line, _ = figure.axes[0].lines
    assert line.get_xdata().tolist() == [1, 2, 3]
    assert line.get_ydata()[:2].tolist() == [3, 2]
    assert figure.axes[0].get_xlabel() == "wavenumber (rad/m)"
    assert figure.axes[0].get_ylim()[0] == pytest.approx(3e-10)  # below it is rounding


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
        assert film.n_frames == 3
    with pytest.raises(OutputExistsError):
        animate({"reference": states}, target)
