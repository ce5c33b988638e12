"""One reference names a run, wherever it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from case_table import table

import scionwood
from scionwood.cli import main
from scionwood.errors import PluginError, ReadError, TrainingError
from scionwood.plugins import discovery
from scionwood.runs.cache import cache_folder

CODE = """
from scionwood import Plugin
plugin = Plugin(name="{name}", summary="s", api=1, runs="{runs}")
"""


@pytest.fixture
def ships(distribution, toy_run):
    """A plugin that ships the toy run as `ships/toy`."""
    site = distribution("ships", CODE.format(name="ships", runs="fake_shipped.runs"))
    folder = site / "fake_shipped" / "runs" / "toy"
    shutil.copytree(toy_run, folder, ignore=lambda *_: ["checkpoints"])
    (folder.parents[1] / "__init__.py").touch()
    origin = {"name": "ships/toy", "version": "1.0", "scope": "rows", "score": "loss 0.5"}
    (folder / "origin.json").write_text(json.dumps(origin))
    return folder


def test_a_shipped_run_is_named_by_its_plugin_and_told_once(ships, capsys):
    assert scionwood.find_run("ships/toy") == ships
    assert scionwood.find_run("ships/toy") == ships
    told = capsys.readouterr()
    assert told.err == "using ships/toy 1.0 (rows; loss 0.5)\n"
    assert not told.out
    with pytest.raises(TrainingError, match="Did you mean 'toy'"):
        scionwood.find_run("ships/toys")
    scionwood.find_run("ships/toy", quiet=True)
    assert not capsys.readouterr().err


def test_a_shipped_run_is_copied_by_pull_and_listed(ships, hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    target = scionwood.pull("ships/toy", "copy")
    assert scionwood.authoring.weights_digest(target) == scionwood.authoring.weights_digest(ships)
    with pytest.raises(scionwood.OutputExistsError, match="--force"):
        scionwood.pull("ships/toy", "copy")
    assert scionwood.pull("ships/toy", "copy", force=True) == Path("copy")
    assert not hub.requests


def test_a_folder_comes_before_a_shipped_run(ships, toy_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("ships").mkdir()
    Path("ships/toy").symlink_to(toy_run)
    assert scionwood.find_run("ships/toy") == Path("ships/toy")


def test_a_broken_plugin_does_not_hide_the_runs_of_others(ships, distribution, capsys):
    distribution("lost", CODE.format(name="lost", runs="fake_lost.runs"))
    assert main(["runs"]) == 0
    told = capsys.readouterr()
    assert "ships/toy" in told.out
    assert "the package 'fake_lost.runs' does not exist" in told.err
    with pytest.raises(PluginError, match=r"the package 'fake_lost\.runs' does not exist"):
        scionwood.find_run("lost/toy")


def test_a_misspelt_folder_or_plugin_has_a_suggestion(ships, toy_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()
    Path("runs/first").symlink_to(toy_run)
    with pytest.raises(TrainingError, match="Did you mean 'runs/first'"):
        scionwood.find_run("runs/frist")
    with pytest.raises(TrainingError, match="Did you mean 'ships/toy'"):
        scionwood.find_run("shisp/toy")


def test_a_plugin_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(discovery, "entries", dict)
    monkeypatch.setattr(discovery, "extras", lambda: ("hydrology",))
    discovery.find.cache_clear()
    with pytest.raises(PluginError, match="pip install -e plugins/hydrology"):
        scionwood.find_run("hydrology/floods")
    discovery.find.cache_clear()


def test_a_folder_without_a_finished_run_is_refused_with_a_remedy(tmp_path):
    with pytest.raises(TrainingError, match="Name the folder that fit printed"):
        scionwood.find_run(tmp_path)
    (tmp_path / "recipe.yaml").touch()
    with pytest.raises(TrainingError, match=f"scionwood fit --resume {tmp_path}"):
        scionwood.find_run(tmp_path)


@table("text", ["[1]", '{"name": 1}', "{", '{"name": ' + "[" * 9999])
def test_a_damaged_origin_is_named(ships, text):
    (ships / "origin.json").write_text(text)
    with pytest.raises(ReadError, match=r"origin\.json"):
        scionwood.find_run("ships/toy")


def test_an_origin_cannot_write_to_the_terminal_as_it_likes(ships):
    origin = {"name": "a\x1b]0;owned\x07\nb", "scope": "x" * 5000, "unknown": "z"}
    (ships / "origin.json").write_text(json.dumps(origin))
    line = str(scionwood.authoring.read_origin(ships))
    assert line.isprintable()
    assert len(line) < 300


def test_the_cache_is_where_the_system_keeps_caches(monkeypatch, tmp_path):
    monkeypatch.setenv("SCIONWOOD_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("SCIONWOOD_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    assert cache_folder() == Path.home() / ".cache" / "scionwood"
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert cache_folder() == tmp_path / "local" / "scionwood"


@table(
    ("reference", "match"),
    [
        ("hf:toy", "hf:owner/name"),
        ("hf:a--b/c", "hf:owner/name"),
        ("hf:../../etc", "hf:owner/name"),
        ("hf:tester/toy@../x", "hf:owner/name"),
        ("http://host.invalid/a.zip#sha256=" + "0" * 64, "only https"),
        ("https://host.invalid/a.zip", "needs the digest"),
        ("https://host.invalid/a.zip#sha256=12", "needs the digest"),
        ("https://[/a.zip", "not an address"),
        ("https://ann:secret@host.invalid/a.zip", "https://host.invalid: an address has no user"),
        ("tester/toy", "On the hub it is hf:tester/toy"),
        ("toy/regress", "Train it: scionwood fit toy/regress"),
        ("toy/regres", "It ships: none"),
        ("nowhere", "See: scionwood runs"),
    ],
)
def test_a_reference_that_names_nothing_is_refused_with_a_remedy(hub, reference, match):
    with pytest.raises(TrainingError, match=match):
        scionwood.find_run(reference)
    assert not hub.requests
