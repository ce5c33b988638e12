"""The commands, as a terminal calls them."""

from __future__ import annotations

import json
from pathlib import Path

from scionwood.cli import main

NAMES = ("north", "south", "west")


def test_check_ranks_and_says_when_it_is_early(round_one: Path, capsys) -> None:
    folders = [str(round_one / name) for name in NAMES]
    assert main(["federated", "check", *folders, "--start", str(round_one / "start")]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in NAMES)
    assert "one of the first two rounds" in shown


def test_pool_prints_what_it_did(round_one: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "global"
    folders = [str(round_one / name) for name in NAMES]
    assert main(["federated", "pool", *folders, str(out), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["rule"] == "exact"
    assert record["sites"] == dict.fromkeys(NAMES, 8)
    assert not (out / "recipe.yaml").exists()


def test_round_says_what_leaves_the_house(round_one: Path, tmp_path: Path, capsys) -> None:
    run = str(round_one / "runs" / "north")
    assert main(["federated", "round", run, str(tmp_path / "u"), "--site", "north"]) == 0
    assert "round 1, 8 samples, 2 steps" in capsys.readouterr().out


def test_pool_refuses_in_one_line(round_one: Path, tmp_path: Path, capsys) -> None:
    folders = [str(round_one / name) for name in NAMES]
    assert main(["federated", "pool", *folders, str(tmp_path / "g"), "--most-samples", "4"]) == 2
    error = capsys.readouterr().err
    assert "it claims 8 samples, and the most is 4" in error
    assert "Traceback" not in error
