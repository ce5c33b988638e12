"""The measures of a gather, and its traffic light."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
from case_table import table
from rich.console import Console

from scionwood_seismic.evaluation import gather_qc, metrics
from scionwood_seismic.evaluation.gather_qc import measure, similarity_map
from scionwood_seismic.evaluation.light import judge, print_verdicts
from scionwood_seismic.evaluation.panels import Geometry, Result
from scionwood_seismic.inference.options import GateOptions


@pytest.fixture
def result() -> Result:
    rng = np.random.default_rng(0)
    reference = np.sin(np.arange(80) / 4 + np.zeros((48, 1))).astype(np.float32)
    noisy = reference + rng.standard_normal(reference.shape).astype(np.float32)
    return Result(noisy, 0.6 * reference + 0.2 * noisy, Geometry(0.004), reference)


def test_measures_equal_the_metrics(result):
    values = measure(result).values
    leak = metrics.leakage(result.noisy, result.clean)
    for ours, theirs in (
        ("local similarity", "local similarity"),
        ("energy removed", "energy removed"),
        ("MS-SSIM-R", "MS-SSIM-R"),
        ("kurtosis removed", "kurtosis"),
    ):
        assert values[ours] == pytest.approx(leak[theirs], rel=1e-5)
    clean, estimate = (torch.from_numpy(x).double() for x in (result.reference, result.clean))
    for ours, function in (
        ("SNR, reference", metrics.snr),
        ("PSNR, reference", metrics.psnr),
        ("MS-SSIM, reference", metrics.ms_ssim),
        ("amplitude ratio, reference", metrics.amplitude_ratio),
    ):
        assert values[ours] == pytest.approx(float(function(clean, estimate)), rel=1e-5)


def test_the_unprocessed_input_has_no_leakage_and_no_gain(result):
    nothing = measure(Result(result.noisy, result.noisy, Geometry(), result.reference))
    assert nothing.values == pytest.approx(measure(result).unprocessed, nan_ok=True)
    assert nothing.leak() == 0
    assert nothing.values["correlation"] == nothing.values["amplitude ratio"] == 1
    assert math.isnan(nothing.values["kurtosis removed"])
    assert nothing.values["SNR, reference"] < measure(result).values["SNR, reference"]


def test_measures_do_not_depend_on_the_unit(result):
    for unit in (1e-12, 1e12):
        noisy, clean, reference = (unit * x for x in (result.noisy, result.clean, result.reference))
        scaled = Result(noisy, clean, Geometry(), reference)
        assert measure(scaled).values == pytest.approx(measure(result).values, rel=1e-4)


def test_dead_and_broken_traces_are_counted_and_not_measured(result):
    noisy, clean, reference = (
        np.concatenate([x, x[:3]]) for x in (result.noisy, result.clean, result.reference)
    )
    noisy[48], noisy[49, 3], clean[50, 3] = 7, np.nan, np.inf
    row = measure(Result(noisy, clean, Geometry(), reference))
    assert (row.traces, row.dead, row.broken) == (51, 2, 1)
    assert row.values == pytest.approx(measure(result).values, rel=1e-6)
    shown = similarity_map(Result(noisy, clean, Geometry(), reference))
    assert np.isnan(shown[48:]).all()
    assert np.isfinite(shown[:48]).all()


def test_gathers_and_results_of_zeros_have_defined_measures_or_none(result):
    row = measure(Result(0 * result.noisy, 0 * result.clean, Geometry()))
    assert (row.dead, dict(row.values)) == (48, {})
    values = measure(Result(result.noisy, 0 * result.clean, Geometry())).values
    assert values["energy removed"] == 1
    assert values["amplitude ratio"] == values["local similarity"] == 0
    assert math.isnan(values["correlation"])


def test_large_gathers_are_measured_in_blocks(monkeypatch, result):
    whole, shown = measure(result).values, similarity_map(result)
    monkeypatch.setattr(gather_qc, "PIECE", 24 * 80)
    blocks = measure(result).values
    for label in whole:
        loose = "imilarity" in label or "SSIM" in label
        assert blocks[label] == pytest.approx(whole[label], rel=0.3 if loose else 1e-9)
    halves = [
        similarity_map(Result(result.noisy[s], result.clean[s], Geometry()))
        for s in (slice(24), slice(24, 48))
    ]
    np.testing.assert_allclose(similarity_map(result), np.concatenate(halves), atol=1e-6)
    assert shown.shape == result.noisy.shape


def test_long_traces_are_measured_in_blocks():
    """MS-SSIM needs a matrix of all pairs of samples, which long recordings have no room for."""
    noisy = np.random.default_rng(0).standard_normal((1, 9_000)).astype(np.float32)
    result = Result(noisy, 0.5 * noisy, Geometry(0.001))
    values = measure(result).values
    assert values["energy removed"] == pytest.approx(0.25)
    assert values["local similarity"] == pytest.approx(1, abs=0.01)
    assert np.isfinite(similarity_map(result)).all()


def report(share: float = 1.0, strong: float | None = 0.95, reason: str = "") -> dict[str, object]:
    recovered = {} if strong is None else {"strong own": strong, "weak own": 0.9}
    fixed = {"gather": "fldr 7", "removed": 0.2}
    return {**fixed, "recovered": recovered, "share": share, "reason": reason}


@table(
    ("given", "light", "text"),
    [
        (report(), "green", "strong own events keep 0.95, weak own ones 0.90; 20 % removed"),
        (report(0.5, 0.85, "why"), "yellow", "why; blended with 50 % of the removed part"),
        (report(0.0, 1.0, "no live trace"), "yellow", "passed through unchanged: no live trace"),
        (report(1.0, 0.4), "red", "strong own events keep 0.40"),
        (report(1.0, None), "grey", "not tested"),
    ],
)
def test_a_light_has_its_reason(given, light, text):
    verdict = judge(given, GateOptions())
    assert verdict.light == light
    assert text in verdict.reason


def test_the_worst_gathers_come_first_and_the_rest_is_counted():
    out = io.StringIO()
    reports = [report()] * 20 + [report(0.0, 1.0, "two traces"), report(1.0, 0.3)]
    verdicts = [judge(each, GateOptions()) for each in reports]
    print_verdicts(verdicts, Console(file=out, width=200))
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("red")
    assert lines[1].startswith("yellow")
    assert len(lines) == 9
    assert "1 red, 1 yellow, 20 green (1 passed through unchanged), the 8 worst are" in lines[-1]
