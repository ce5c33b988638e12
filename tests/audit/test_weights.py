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
from scionwood_audit.record import ALARMS, ENOUGH, limit_of

Save = Callable[..., Path]


@pytest.fixture
def references(tmp_path: Path, save: Save) -> Path:
    for seed in range(19):
        save(tmp_path / "trusted" / str(seed), seed)
    return tmp_path / "trusted"


def test_an_adapter_like_the_references_is_consistent(tmp_path, save, references):
    own = save(tmp_path / "own", 50)
    audit = audit_adapter(own, reference=references)
    assert audit.verdict == "consistent with 19 references"
    (beside,) = [row for row in audit.rows if row.name == "accuracy on clean data"]
    page = (Path(__file__).parents[2] / "docs" / "results" / "audit.md").read_text("utf-8")
    for name in ("accuracy on clean data alone", "turn from the mean change of the references"):
        (line,) = [each for each in page.splitlines() if each.startswith(f"| {name}")]
        assert f"{float(line.split('|')[2]):.2f}" in beside.value


@table("change", ["rank", "few", "base", "method", "scale"])
def test_what_is_not_comparable_has_no_reference(change, tmp_path, save, references):
    own = save(tmp_path / "own", 50, r=3 if change == "rank" else 2)
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


def test_copied_modules_are_named_as_not_compared(references, save):
    save(references / "19", 19)
    path = references / "0" / "adapter_model.safetensors"
    tensors = {**load_file(path), "base_model.model.out.weight": torch.ones(3, 16)}
    save_file(tensors, path, metadata={"format": "pt"})
    weights = weights_of(references / "0")
    rows, _ = compare(references / "0", references)
    assert weights.beside == 1
    assert ("not compared", "1 tensors") in [(row.name, row.value) for row in rows]


def test_the_adapter_itself_is_none_of_its_references(references, save):
    save(references / "19", 19)
    rows, count = compare(references / "0", references)
    assert (count, rows[0].name) == (19, "turn from the mean change")
    others = [weights_of(references / str(seed)) for seed in range(1, 20)]
    assert rows[0].value == f"{Cohort(others).turn(weights_of(references / '0')):.3f}"


@table("count", [ENOUGH, 30, 59])
def test_numbers_like_those_of_the_references_are_seldom_beyond_the_limit(count):
    assert limit_of(range(ENOUGH - 1)) is None
    draw = np.random.default_rng(0)
    beyond = 0
    for _ in range(300):
        *known, new = draw.standard_normal(count + 1)
        limit = limit_of(known)
        assert limit is not None
        beyond += new > limit
    assert 0 < beyond / 300 < ALARMS + 0.03
