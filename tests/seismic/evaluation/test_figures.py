from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scionwood_seismic.evaluation import panels
from scionwood_seismic.evaluation.figures import draw_panels, draw_qc_sheet
from scionwood_seismic.evaluation.gather_qc import measure, similarity_map
from scionwood_seismic.evaluation.panels import Geometry, Result, fk, thin
from scionwood_seismic.evaluation.qc_page import sheet_numbers
from scionwood_seismic.inference.gate import Returned


@pytest.fixture
def noisy() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((20, 32)).astype(np.float32)


def sheet(result: Result, **texts: str) -> Figure:
    return draw_qc_sheet(result, similarity_map(result), sheet_numbers(measure(result)), **texts)


def axes_of(figure: Figure, start: str) -> Axes:
    return next(axes for axes in figure.axes if axes.get_title().startswith(start))


def everything(figure: Figure) -> str:
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    return "\n".join([figure.get_suptitle(), figure.get_supxlabel(), *texts])


def test_draws_a_gather_of_zeros_and_a_single_trace(noisy):
    draw_panels({"input": 0 * noisy}).draw_without_rendering()
    sheet(Result(noisy[:1], 0.5 * noisy[:1], Geometry(0.004))).draw_without_rendering()


def test_the_sheet_shows_gathers_spectra_and_leakage(noisy):
    figure = sheet(Result(noisy, 0.5 * noisy, Geometry(0.004)))
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles[:3] == ["input", "denoised", "removed"]
    assert titles[3:6] == ["f-k, input", "f-k, denoised", "f-k, removed"]
    assert titles[6] == "mean amplitude spectrum"
    assert float(titles[7].split()[-1]) > 0.9  # what was removed is the signal itself


def test_the_sheet_shows_where_added_events_are_lost(noisy):
    places = [Returned("strong own", 4, 8, 0.9), Returned("weak steep", 12, 20, 0.2)]
    result = Result(noisy, 0.5 * noisy, Geometry(0.004))
    figure = draw_qc_sheet(result, similarity_map(result), {}, places)
    strong, weak = axes_of(figure, "kept amplitude").collections
    np.testing.assert_allclose(strong.get_offsets(), [[5, 0.032]])
    np.testing.assert_allclose(weak.get_offsets(), [[13, 0.08]])
    assert (strong.get_array()[0], weak.get_array()[0]) == (0.9, 0.2)


def test_a_reference_adds_panels_of_reference_and_error(noisy):
    figure = sheet(Result(noisy, 0.5 * noisy, Geometry(0.004), reference=0.25 * noisy))
    error = axes_of(figure, "error").images[0]
    np.testing.assert_allclose(error.get_array(), 0.25 * noisy.T)
    clips = {axes_of(figure, name).images[0].get_clim() for name in ("input", "reference", "error")}
    assert len(clips) == 1
    assert "SNR, reference" in everything(figure)


def test_spectra_share_one_scale_and_have_physical_axes(noisy):
    figure = sheet(Result(noisy, 0.5 * noisy, Geometry(0.004, dx=5.0)))
    names = ("f-k, input", "f-k, denoised", "f-k, removed")
    assert len({axes_of(figure, name).images[0].get_clim() for name in names}) == 1
    axes = axes_of(figure, "f-k, input")
    assert axes.get_xlabel() == "wavenumber (cycles/m)"
    assert axes.get_ylabel() == "frequency (Hz)"
    assert (axes.get_xlim(), axes.get_ylim()) == ((-0.1, 0.1), (0, 125))
    lines = axes_of(figure, "mean amplitude").lines
    np.testing.assert_allclose(lines[0].get_ydata() - lines[1].get_ydata(), 6.02, atol=0.01)


def test_dead_traces_are_grey_in_every_panel(noisy):
    noisy[3], noisy[7, 5] = 0, np.nan
    clean = np.where(np.isfinite(noisy), 0.5 * noisy, noisy)
    figure = sheet(Result(noisy, clean, Geometry(0.004)))
    for name in ("input", "denoised", "removed", "local similarity"):
        axes = axes_of(figure, name)
        masked = np.ma.getmaskarray(axes.images[0].get_array()).all(axis=0)
        assert np.flatnonzero(masked).tolist() == [3, 7]
        assert axes.get_facecolor()[:3] == (0.65, 0.65, 0.65)
    assert "20, 2 dead" in everything(figure)


def test_large_gathers_are_thinned_with_a_note_in_the_title(monkeypatch, noisy):
    monkeypatch.setattr(panels, "LIMIT", 16)
    monkeypatch.setattr("scionwood_seismic.evaluation.figures.LIMIT", 16)
    noisy[11, 3] = -50
    figure = sheet(Result(noisy, 0.5 * noisy, Geometry(0.004)))
    assert "the strongest of each 2 x 2 block" in figure.get_suptitle()
    shown = axes_of(figure, "input").images[0].get_array()
    assert shown.shape == (16, 10)
    assert shown[1, 5] == -50
    assert axes_of(figure, "input").get_xlim() == (0.5, 20.5)  # traces of the file, not blocks


def test_thinning_keeps_the_strongest_of_each_block_with_its_sign():
    data = np.array([[1, -5, np.nan, np.nan, 3], [2, 4, np.nan, np.nan, -4]])
    np.testing.assert_array_equal(thin(data, 3), [[-5, np.nan, 3], [4, np.nan, -4]])
    np.testing.assert_array_equal(thin(data, 1), [[-5]])
    assert thin(data, 5) is data


def test_a_plane_wave_is_one_point_in_f_k():
    x, t = np.arange(64)[:, None], np.arange(100)[None]
    spectrum = fk(np.cos(2 * np.pi * (0.2 * t - 0.125 * x)))
    k, f = np.unravel_index(spectrum.argmax(), spectrum.shape)
    assert abs((k - 32) / 64) == 0.125
    assert f / 100 == 0.2
