from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from PIL import Image

from scionwood import OutputExistsError
from scionwood_pde.figures import animate, error_growth, slices, spectra
from scionwood_pde.readers.write import sample_states


@pytest.fixture
def states() -> xr.DataArray:
    return sample_states()


def test_slices_show_the_middle_plane_upright_in_the_colours_of_the_first(
    states: xr.DataArray,
) -> None:
    figure = slices({"true": states, "predicted": 0.1 * states}, sample=1, time=2)
    first, second = (
        next(axes for axes in figure.axes if axes.get_title() == f"{title}: u_y").images[0]
        for title in ("true", "predicted")
    )
    np.testing.assert_array_equal(first.get_array(), states.values[1, 2, 1, :, :, 1].T)
    assert first.get_clim() == second.get_clim()
    assert first.get_extent() == [-0.25, 1.75, -0.25, 1.25]  # cells around their points
    assert figure.get_suptitle() == "sample 1, time 0.2 s"
    figure.draw_without_rendering()


@pytest.mark.parametrize("axes", ["z", "yz"])
def test_planes_and_lines_can_be_drawn(states: xr.DataArray, axes: str) -> None:
    flat = states.isel(dict.fromkeys(axes, 0)).drop_vars(list(axes))
    slices({"true": flat}).draw_without_rendering()


def test_a_constant_field_can_be_drawn(states: xr.DataArray) -> None:
    slices({"true": xr.zeros_like(states)}).draw_without_rendering()


def test_spectra_leave_out_the_mean(states: xr.DataArray) -> None:
    figure = spectra(np.arange(4.0), {"a": np.array([9.0, 3, 2, 0])}, unit="m", field="u_x")
    (line,) = figure.axes[0].lines
    assert line.get_xdata().tolist() == [1, 2, 3]
    assert line.get_ydata()[:2].tolist() == [3, 2]
    assert figure.axes[0].get_xlabel() == "wavenumber (rad/m)"


def test_errors_grow_from_step_1_with_the_horizons_behind() -> None:
    figure = error_growth({"u_x": np.linspace(0.1, 2, 13)})
    axes = figure.axes[0]
    assert axes.lines[0].get_xdata().tolist() == list(range(1, 14))
    spans = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in axes.patches]
    assert spans == [(0.5, 1.5), (6.5, 12.5)]


def test_an_animation_has_a_frame_a_time(states: xr.DataArray, tmp_path: Path) -> None:
    target = tmp_path / "rollout.gif"
    animate({"true": states, "predicted": 0.5 * states}, target)
    with Image.open(target) as film:
        assert film.format == "GIF"
        assert film.n_frames == 3
    with pytest.raises(OutputExistsError):
        animate({"true": states}, target)
