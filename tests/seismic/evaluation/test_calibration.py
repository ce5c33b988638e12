"""The calibration of the harm gate: the truth by families of its own, and how often it is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage as nd

from scionwood.cli import main
from scionwood_seismic.evaluation.calibration import FAMILIES, Pair, compare, rates, truth
from scionwood_seismic.inference.reports import Report
from scionwood_seismic.readers.create import write_segy
from scionwood_seismic.synth.field_signal import draw_record

RECORD = draw_record(np.random.default_rng(0), (64, 256), ["layers"])


def test_the_truth_is_the_share_that_a_denoiser_keeps():
    found = truth(lambda x: 0.7 * x, RECORD, 0.7 * RECORD, 12.0)
    levels = {f"{level} {dip}" for level in ("strong", "weak") for dip in ("gentle", "steep")}
    assert set(found) == {f"{level} {family}" for level in levels for family in FAMILIES}
    assert all(value == pytest.approx(0.7, abs=1e-5) for value in found.values())


def test_a_mean_over_traces_loses_the_steep_families():
    found = truth(
        lambda x: nd.uniform_filter1d(x, 9, 0), RECORD, nd.uniform_filter1d(RECORD, 9, 0), 12.0
    )
    assert all(found[f"strong steep {family}"] < 0.5 for family in FAMILIES)
    assert found["strong gentle wedge"] > found["strong steep wedge"] + 0.2


def test_the_light_is_compared_with_the_truth():
    report = Report("shot", share=1.0, recovered={"strong own": 0.95, "weak own": 0.9})
    pair = compare(report, {"strong gentle wedge": 0.5, "weak gentle wedge": 0.9}, "fldr 1")
    assert (pair.light, pair.truth, pair.true_strong) == ("green", "red", 0.5)


def test_rates_leave_out_what_has_no_light():
    def pair(light: str, truth: str, strong: float | None) -> Pair:
        return Pair("", light, truth, strong, strong, strong or 0.0, 0.0, "", {}, {})  # type: ignore[arg-type]

    lights = ["green", "green", "yellow", "red", "red"]
    truths = ["green", "red", "green", "red", "yellow"]
    pairs = [
        pair(light, true, 0.1 * index)
        for index, (light, true) in enumerate(zip(lights, truths, strict=True))
    ]
    found = rates([*pairs, pair("grey", "green", None)])
    assert (found.pairs, found.grey, found.exact) == (5, 1, 2)
    assert (found.false_green, found.false_yellow) == ((1, 3), (1, 2))
    assert found.correlation == pytest.approx(1.0)


def test_the_command_prints_what_it_found_on_a_file(tmp_path: Path, capsys):
    noise = np.random.default_rng(1).standard_normal(RECORD.shape)
    path = tmp_path / "records.sgy"
    write_segy(path, (RECORD + 0.5 * noise).astype(np.float32)[None], dt=0.004)
    assert main(["seismic", "calibrate", str(path), "--run", "seismic/shot", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["rates"]["pairs"] == len(content["pairs"]) == 1
    assert set(content["pairs"][0]["families"]) > {"weak steep channel", "strong gentle short"}
