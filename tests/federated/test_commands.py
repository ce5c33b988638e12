"""The commands, as a terminal calls them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from case_table import table

from scionwood.cli import main
from scionwood_federated import rank_by_losses

from .conftest import NAMES


@pytest.fixture
def folders(round_one: Path) -> list[str]:
    return [str(round_one / name) for name in NAMES]


def federated(*words: object) -> int:
    return main(["federated", *map(str, words)])


@pytest.mark.slow
def test_check_ranks_and_says_when_it_is_early(round_one, folders, capsys):
    assert federated("check", *folders, "--start", round_one / "start") == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in NAMES)
    assert "one of the first two rounds" in shown


def test_sites_measure_each_other_and_are_ranked(round_one, folders, tmp_path, capsys):
    recipe, files = round_one / "start" / "recipe.yaml", []
    for number, name in enumerate(NAMES):
        files.append(tmp_path / f"{name}.json")
        words = [recipe, files[-1], "--site", name, "--override", f"[data.seed={number}]"]
        assert federated("losses", *folders, *words) == 0
    capsys.readouterr()
    assert federated("check", *files, "--way", "losses", "--json") == 0
    assert {each["site"] for each in json.loads(capsys.readouterr().out)} == set(NAMES)
    assert federated("check", *files[:2], "--way", "losses") == 2
    assert "of at least three sites" in capsys.readouterr().err


@table("loss", ["1e999", "-1e31", '"1"', "[1]"])
def test_a_loss_that_is_no_number_is_refused(tmp_path, capsys, loss):
    files = []
    for name in NAMES:
        text = json.dumps({"site": name, "losses": dict.fromkeys(NAMES, 1.0)})
        files.append(tmp_path / f"{name}.json")
        files[-1].write_text(text.replace("1.0", loss) if name == "south" else text)
    assert federated("check", *files, "--way", "losses") == 2
    assert "south.json: it holds no losses of a site" in capsys.readouterr().err


def test_a_worse_update_is_ranked_first_by_losses():
    names = ("a", "b", "c", "d")
    table = {site: {name: 1.0 + (name == "b") for name in names} for site in names}
    first = rank_by_losses(table)[0]
    assert (first.site, first.apart) == ("b", True)


def test_pool_prints_what_it_did_or_refuses_in_one_line(folders, tmp_path, capsys):
    out = tmp_path / "global"
    assert federated("pool", *folders, out, "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert record["rule"] == "exact"
    assert record["sites"] == dict.fromkeys(NAMES, 8)
    assert not (out / "recipe.yaml").exists()
    assert federated("pool", *folders, tmp_path / "g", "--most-samples", "4") == 2
    error = capsys.readouterr().err
    assert "it claims 8 samples, and the most is 4" in error
    assert "Traceback" not in error


def test_round_says_what_leaves_the_house_or_refuses_what_no_pool_would_take(
    round_one, tmp_path, capsys
):
    run = round_one / "runs" / "north"
    assert federated("round", run, tmp_path / "u", "--site", "north") == 0
    assert "round 1, 8 samples, 2 steps" in capsys.readouterr().out
    for words, rule in (
        (["--site", " "], "a name has 1 to 200 printable characters"),
        (["--site", "a", "--samples", "-5"], "-5 samples: a site has at least one sample"),
    ):
        assert federated("round", run, tmp_path / "other", *words) == 2
        assert rule in capsys.readouterr().err
        assert not (tmp_path / "other").exists()
