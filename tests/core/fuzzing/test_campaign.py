"""A fuzz finds what readers do wrong, survives it, and keeps it."""

import csv
import json

import pytest

from scionwood import PluginError, ReadError, cli
from scionwood.plugins import discovery
from scionwood_kit import new, replay
from scionwood_kit.fuzzing import campaign
from scionwood_kit.fuzzing.campaign import fuzz
from scionwood_kit.fuzzing.corpus import load_case
from scionwood_kit.fuzzing.tally import write_tallies
from scionwood_sandbox.decoding.switch import possible

SERVICE = pytest.mark.skipif(not possible(), reason="this system has no reader service")


@SERVICE
def test_every_kind_of_fault_is_counted_and_kept(hostile, tmp_path):
    plugin = hostile("Careful", "Careless", "Deadly", "Greedy")
    tallies, missing = fuzz(plugin, n=25, corpus=tmp_path / "kept")
    counts = {tally.sample.partition("/")[2]: tally for tally in tallies}
    assert not missing
    assert all(tally.total == 25 for tally in tallies)
    assert not counts["careful"].failed
    assert counts["careful"].counts["refused"]
    assert counts["careless"].counts["foreign"]
    assert counts["careless"].failed
    assert counts["deadly"].counts["died"]
    assert counts["greedy"].counts["memory"]
    kept = {load_case(path).fault.kind: path for path in (tmp_path / "kept").glob("*.json")}
    assert set(kept) == {"foreign", "died", "memory"}
    assert len(load_case(kept["foreign"]).edits) == 1
    assert {kind: replay(path).kind for kind, path in kept.items()} == {kind: kind for kind in kept}
    assert replay(kept["foreign"], service=False).kind == "foreign"


def test_a_death_of_the_caller_is_counted_and_the_next_mutation_is_read(hostile, tmp_path):
    (tally,), _ = fuzz(hostile("Deadly", inline=True), n=12, seed=1, corpus=tmp_path)
    assert tally.counts["death"]
    assert tally.total == 12
    assert tally.failed


def test_a_hang_of_the_caller_is_counted(hostile, tmp_path, monkeypatch):
    monkeypatch.setattr(campaign, "STALL", 1.0)
    (tally,), _ = fuzz(hostile("Sleepy", inline=True), n=2, seed=3, corpus=tmp_path)
    assert tally.counts["hang"]
    assert tally.total == 2


def test_a_plugin_whose_samples_kill_the_worker_is_an_error(hostile, tmp_path):
    with pytest.raises(PluginError, match="the worker ended"):
        fuzz(hostile("Stillborn"), n=1, corpus=tmp_path)


@SERVICE
def test_the_command_prints_counts_and_fails_for_a_foreign_error(hostile, tmp_path, capsys):
    hostile("Careful", "Careless")
    table = tmp_path / "fuzz.csv"
    words = ["--fuzz", "--n=20", f"--corpus={tmp_path / 'kept'}", f"--csv={table}"]
    assert cli.main(["check", "hostile", *words]) == 1
    out = capsys.readouterr().out
    assert "KeyError" in out
    with table.open(encoding="utf-8") as file:
        rows = {row["sample"]: row for row in csv.DictReader(file)}
    assert rows["hostile/careful"]["foreign"] == "0"
    assert int(rows["hostile/careless"]["foreign"]) > 0


@SERVICE
def test_a_given_file_is_damaged_by_the_reader_of_its_ending(hostile, tmp_path):
    file = tmp_path / "mine.good"
    file.write_bytes(b"GOOD and mine")
    tallies, _ = fuzz(hostile("Careful"), [file], n=5, corpus=tmp_path / "kept")
    assert [tally.sample for tally in tallies] == ["hostile/careful", "hostile/careful mine.good"]
    assert file.read_bytes() == b"GOOD and mine"


def test_a_given_file_without_a_reader_is_refused_before_anything_starts(hostile, tmp_path):
    file = tmp_path / "mine.unknown"
    file.write_bytes(b"x")
    with pytest.raises(ReadError, match="no reader of hostile has its ending"):
        fuzz(hostile("Careful"), [file], n=5, corpus=tmp_path)


def test_files_without_the_option_are_refused(hostile, tmp_path, capsys):
    hostile("Careful")
    (tmp_path / "a.good").write_bytes(b"GOOD")
    assert cli.main(["check", "hostile", str(tmp_path / "a.good")]) == 2
    assert "Add --fuzz" in capsys.readouterr().err


def test_rows_of_other_samples_stay_in_a_table(tmp_path):
    table = tmp_path / "fuzz.csv"
    write_tallies([campaign.Tally("b/x")], table)
    write_tallies([campaign.Tally("a/x")], table)
    assert [line.split(",")[0] for line in table.read_text().splitlines()] == [
        "sample",
        "a/x",
        "b/x",
    ]


def test_a_case_that_is_no_case_is_refused(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"reader": "a/b"}))
    with pytest.raises(ReadError, match="no case of a fuzz corpus"):
        replay(path)


@SERVICE
def test_a_new_plugin_is_fuzzed_as_it_is(tmp_path, monkeypatch):
    """The plugin of `scionwood new` needs no line for it."""
    folder = new("hydrology", tmp_path)
    (info := folder / "scionwood_hydrology-0.1.0.dist-info").mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: scionwood-hydrology\nVersion: 0\n")
    entry = "[scionwood.plugins]\nhydrology = scionwood_hydrology:plugin\n"
    (info / "entry_points.txt").write_text(entry)
    monkeypatch.syspath_prepend(folder)
    discovery.refresh()
    try:
        (tally,), missing = fuzz(discovery.record("hydrology"), n=50, corpus=tmp_path / "kept")
    finally:
        monkeypatch.undo()
        discovery.refresh()
    assert not missing
    assert tally.sample == "hydrology/series"
    assert tally.total == 50
    assert not tally.failed, tally.cases
    assert tally.counts["refused"]
