"""The report of a prediction: one page that needs no other file."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from plain_figures import undrawn

from scionwood import OutputExistsError, RecipeError
from scionwood_crash import evaluate
from scionwood_crash.data.suite import SuiteParts
from scionwood_crash.evaluation.compare import compare
from scionwood_crash.evaluation.intervals import Interval
from scionwood_crash.model.novelty import DISTANCE, LIMIT
from scionwood_crash.parts.mesh import CrashSeries
from scionwood_crash.parts.series import STRAIN, to_series
from scionwood_crash.readers import open_series, write_series


@pytest.fixture
def pair(suite: SuiteParts, tmp_path: Path) -> tuple[Path, Path]:
    """A prediction that is 10 % too deep and of an unfamiliar part, and its simulation."""
    true = to_series(suite.parts("test")[0])
    strain = {"plastic_strain": true.cell_field("plastic_strain") * 1.2}
    clamped = {"held": np.stack([frame.point_fields["held"] for frame in true])}
    features = {**true.features, DISTANCE: 3.0, LIMIT: 1.5}
    features |= Interval(1e3, 2e3, 4.5).features(1.0)
    given = CrashSeries.from_arrays(
        true.mesh,
        true.times,
        true.displacement() * 1.1,
        cell_fields=strain,
        point_fields=clamped,
        features=features,
    )
    paths = tmp_path / "given.pvd", tmp_path / "true.pvd"
    for path, series in zip(paths, (given, true), strict=True):
        write_series(path, series)
    return paths


def test_the_page_holds_all_results_and_loads_nothing(pair, suite, tmp_path, capsys):
    numbers = open_series(pair[1]).mesh.node_ids[[3, 7]].tolist()
    evaluate(*pair, probes=numbers, figures=tmp_path / "report")
    printed = capsys.readouterr().out
    assert "10.00 %" in printed
    assert "UNLIKE the training parts" in printed
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|href)="(?!data:)', page), "nothing is loaded"
    assert "<script" not in page
    assert page.count("data:image/gif;base64,") == 1, "the animation"
    assert page.count("data:image/png;base64,") == 4 + len(numbers)
    for text in (
        "UNLIKE the training parts: distance 3.00, limit 1.50",
        "10.00 %",
        "an estimate",
        "mm, ms, kg",
        "energy predicted",
        "edge strain, 99th percentile",
        "1000 to 2000",
        "missed",
        *(f"Motion of node {number}" for number in numbers),
    ):
        assert text in page, text
    assert page.count("<tr>") == 1 + 12 + 1 + 3, "a summary, and a row for every time"
    with pytest.raises(OutputExistsError):
        evaluate(*pair, figures=tmp_path / "report")
    write_series(tmp_path / "other.vtp", to_series(suite.parts("train")[0]))
    with pytest.raises(RecipeError, match="nodes and states"):
        evaluate(tmp_path / "other.vtp", pair[1])


def test_more_energy_than_the_impactor_has_is_flagged(suite, tmp_path, capsys):
    """On the printed summary and as a warning of the page; energies in J, whatever the units."""
    true = to_series(suite.parts("test")[0])
    features = {**true.features, "impactor_speed": true.features["impactor_speed"] / 4}
    true = replace(true, features=features)
    absorbed = compare(true, true, np.array([0.0, 0.0, -1.0]))
    whole = absorbed["impact_energy"] / max(absorbed["by_time"]["energy_true"]) / 2
    write_series(tmp_path / "true.vtp", true)
    for share in (0.5, 30.0):
        strain = {STRAIN: true.cell_field(STRAIN) * share * whole}
        given = CrashSeries.from_arrays(
            true.mesh, true.times, true.displacement(), cell_fields=strain, features=features
        )
        write_series(tmp_path / "given.vtp", given, overwrite=True)
        files = tmp_path / "given.vtp", tmp_path / "true.vtp"
        with undrawn():
            evaluate(*files, figures=tmp_path / "report", force=True)
        printed = " ".join(capsys.readouterr().out.split())
        page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
        for text in (printed, page):
            assert ("J of the impactor: the prediction is wrong" in text) == (share > 1)
        assert "energy of the impactor, J" in printed
    errors = compare(given, true, np.array([0.0, 0.0, -1.0]))
    impactor = suite.parts("test")[0].impactor
    assert errors["impact_energy"] == pytest.approx(impactor.mass * impactor.speed**2 / 32)


def test_files_of_the_suite_hold_its_material(suite, tmp_path):
    part = replace(suite.parts("test")[0])
    write_series(tmp_path / "part.vtp", to_series(part))
    features = open_series(tmp_path / "part.vtp").features
    assert features["material_rate"] == pytest.approx(6.5)
    assert features["material_rate_exponent"] == pytest.approx(4.0)
