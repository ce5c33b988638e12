"""Conversations: of the package, one level alone, and a folder in which a file is damaged."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from case_table import table

from bangla_checker import is_right
from scionwood import ReadError, RecipeError, resolve
from scionwood_bangla.data.conversations import SAMPLE, Files, Generated, shipped


@pytest.fixture(params=["inline", "service"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three files of forty rows each, of which the second is damaged in its middle."""
    monkeypatch.setenv("SCIONWOOD_READERS", request.param)
    rows = Files(source=SAMPLE).examples("train")[:120]
    for number, name in enumerate("abc"):
        lines = [
            json.dumps({"prompt": row.prompt[-1].content, "completion": row.completion})
            for row in rows[40 * number : 40 * (number + 1)]
        ]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines), "utf-8")
    data = (tmp_path / "b.jsonl").read_bytes()
    (tmp_path / "b.jsonl").write_bytes(data[:3000] + b"\xff\xfe\x00" + data[3000:])
    return tmp_path


def test_a_bad_file_is_skipped(folder, caplog):
    caplog.set_level(logging.WARNING, "scionwood.training")
    data = Files(source=folder, on_bad_file="skip")
    data.setup("fit")
    assert [Path(name).name for name in data.data_files.skipped] == ["b.jsonl"]
    assert sum(len(data.examples(split)) for split in ("train", "val", "test")) == 80
    assert len(caplog.records) == 1


def test_a_bad_file_stops_unless_the_recipe_says_skip(folder):
    with pytest.raises(ReadError, match=r"b\.jsonl"):
        Files(source=folder).setup("fit")


@table("level", ["tui", "tumi", "apni"])
def test_every_example_has_the_level(level):
    data = Generated(n_train=40, n_val=5, n_test=10, levels=[level])
    for split, count in (("train", 40), ("val", 5), ("test", 10)):
        examples = data.examples(split)
        assert len(examples) == count
        assert {example.register for example in examples} == {frozenset({level})}


def test_an_unknown_level_is_refused_and_the_recipe_names_one():
    with pytest.raises(RecipeError, match="some of tui, tumi, apni"):
        Generated(levels=["vous"])
    assert resolve("bangla/attribute_control").data.options["levels"] == ["apni"]


def test_the_package_has_answers_at_their_level():
    train, unseen = shipped("train"), shipped("unseen")
    assert (len(train), len(unseen)) == (8000, 600)
    for row in [*train[::200], *unseen[::20]]:
        assert is_right(row.completion, row.register)
    assert Generated(n_train=9).examples("train") == list(train[:9])
    assert Generated(n_train=9, seed=1).examples("train") != list(train[:9])
    with pytest.raises(RecipeError, match="the package has 8,000"):
        Generated(n_train=8001).examples("train")
