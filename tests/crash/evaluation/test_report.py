"""The report of a prediction: one page that needs no other file."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scionwood import OutputExistsError
from scionwood_crash.cli import evaluate
from scionwood_crash.data.suite import SuiteParts
from scionwood_crash.evaluation.intervals import Interval
from scionwood_crash.model.novelty import DISTANCE, LIMIT
from scionwood_crash.parts.mesh import CrashSeries
from scionwood_crash.parts.series import to_series
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


def test_the_page_holds_all_results_and_loads_nothing(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
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
    assert page.count("<tr>") == 1 + 10 + 1 + 3, "a summary, and a row for every time"


def test_the_default_probe_is_the_node_of_maximum_intrusion(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate(*pair, figures=tmp_path / "report")
    node = re.findall(r"node (\d+) at", capsys.readouterr().out)[0]
    assert (tmp_path / "report" / f"probe-{node}.png").is_file()
    with pytest.raises(OutputExistsError):
        evaluate(*pair, figures=tmp_path / "report")
    evaluate(*pair, figures=tmp_path / "report", force=True)


def test_files_of_the_suite_hold_its_material(suite: SuiteParts, tmp_path: Path) -> None:
    part = replace(suite.parts("test")[0])
    write_series(tmp_path / "part.vtp", to_series(part))
    features = open_series(tmp_path / "part.vtp").features
    assert features["material_rate"] == pytest.approx(6.5)
    assert features["material_rate_exponent"] == pytest.approx(4.0)
