"""Weights against references: what stands out, and what has no reference."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from case_table import table
from safetensors.torch import load_file, save_file

from scionwood_audit import Cohort, audit_adapter, compare, weights_of
from scionwood_audit.cohort import five
from scionwood_audit.departure import ALARMS, ENOUGH, Departure

Save = Callable[..., Path]


@pytest.fixture
def references(tmp_path: Path, save: Save) -> Path:
    for seed in range(9):
        save(tmp_path / "trusted" / str(seed), seed)
    return tmp_path / "trusted"


def test_five_numbers_of_a_known_change():
    change = torch.zeros(4, 2, dtype=torch.float64)
    change[0, 0], change[1, 1] = 3.0, 1.0
    norm, largest, concentration, entropy, kurtosis = five(change)
    assert norm == pytest.approx((10 / 8) ** 0.5)
    assert largest == pytest.approx(3)
    assert concentration == pytest.approx(0.9)
    assert entropy == pytest.approx(-(0.9 * np.log(0.9) + 0.1 * np.log(0.1)))
    entries = np.array([3, 1, 0, 0, 0, 0, 0, 0.0])
    entries -= entries.mean()
    assert kurtosis == pytest.approx((entries**4).mean() / (entries**2).mean() ** 2)
    assert five(torch.zeros(2, 2, dtype=torch.float64)) == (0, 0, 0, 0, 0)


def test_an_adapter_like_the_references_is_consistent(tmp_path, save, references):
    own = save(tmp_path / "own", 50)
    audit = audit_adapter(own, reference=references)
    assert audit.verdict == "consistent with 9 references"
    (beside,) = [row for row in audit.rows if row.name == "accuracy on clean data"]
    page = (Path(__file__).parents[2] / "docs" / "results" / "audit.md").read_text("utf-8")
    for name in ("accuracy on clean data alone", "turn and mean over all numbers together"):
        (line,) = [each for each in page.splitlines() if each.startswith(f"| {name}")]
        assert f"{float(line.split('|')[2]):.2f}" in beside.value


def test_an_adapter_with_one_loud_module_is_anomalous(tmp_path, save, references):
    own = save(tmp_path / "own", 50, odd=6.0)
    audit = audit_adapter(own, reference=references)
    assert audit.verdict == "anomalous"
    (broken,) = [row for row in audit.rows if row.status == "broken"]
    assert (broken.part, broken.name) == ("weights", "mean |z|")


@table("change", ["rank", "few", "base", "method", "scale"])
def test_what_is_not_comparable_has_no_reference(change, tmp_path, save, references):
    own = save(tmp_path / "own", 50, r=3 if change == "rank" else 2, odd=6.0)
    references = shutil.copytree(references, tmp_path / "references")
    if change == "few":
        for seed in (0, 1):
            (references / str(seed) / "adapter_config.json").unlink()
    if change == "base":
        record = json.loads((own / "scionwood.json").read_text())
        record["base"]["sha256"] = "0" * 64
        (own / "scionwood.json").write_text(json.dumps(record))
    if change in ("method", "scale"):
        config = json.loads((own / "adapter_config.json").read_text())
        option = {"method": "use_dora", "scale": "use_rslora"}[change]
        (own / "adapter_config.json").write_text(json.dumps(config | {option: True}))
    (row,), count = compare(own, references)
    assert (count, row.status, row.value) == (0, "skipped", "no reference")


def test_copied_modules_are_named_as_not_compared(references):
    path = references / "0" / "adapter_model.safetensors"
    tensors = {**load_file(path), "base_model.model.out.weight": torch.ones(3, 16)}
    save_file(tensors, path, metadata={"format": "pt"})
    weights = weights_of(references / "0")
    rows, _ = compare(references / "0", references)
    assert weights.beside == 1
    assert ("not compared", "1 tensors") in [(row.name, row.value) for row in rows]


def test_the_adapter_itself_is_none_of_its_references(references):
    rows, count = compare(references / "0", references)
    assert (count, rows[0].status) == (8, "kept")
    others = [weights_of(references / str(seed)) for seed in range(1, 9)]
    cohort = Cohort(others)
    own = weights_of(references / "0")
    assert rows[0].value == f"{cohort.score(own):.2f}"


def draws(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    return np.exp(0.1 * draw.standard_normal(count)), np.exp(0.3 * draw.standard_normal(count))


@table("count", [ENOUGH, 30, 59])
def test_adapters_like_the_references_are_seldom_beyond_the_limit(count):
    few, scores = draws(ENOUGH - 1, 0)
    assert Departure(list(few), list(scores)).limit is None
    beyond = 0
    for seed in range(300):
        turns, scores = draws(count + 1, seed)
        references = Departure(list(turns[:-1]), list(scores[:-1]))
        assert references.limit is not None
        beyond += references.of(turns[-1], scores[-1]) > references.limit
    assert 0 < beyond / 300 < ALARMS + 0.03


def test_a_wider_turn_or_a_larger_score_departs():
    turns, scores = draws(40, 1)
    references = Departure(list(turns), list(scores))
    assert references.limit is not None
    usual = float(np.median(turns)), float(np.median(scores))
    assert references.of(*usual) == pytest.approx(0, abs=0.1)
    assert references.of(1.5 * usual[0], usual[1]) > references.limit
    assert references.of(usual[0], 10 * usual[1]) > references.limit
