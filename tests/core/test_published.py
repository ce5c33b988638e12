"""Versions of the site are published beside each other."""

import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "browser"))

from handbook import VERSIONS


def test_published_versions_are_listed_the_newest_first(tmp_path):
    built, pages = tmp_path / "html", tmp_path / "pages"
    built.mkdir()
    for version in ("v0.9.0", "v0.10.0", "dev", "v0.9.0"):
        (built / "index.html").write_text(version)
        environment = {
            "SCIONWOOD_VERSION": version,
            "SCIONWOOD_VERSIONS": "https://a.example/b/versions.json",
        }
        command = [sys.executable, VERSIONS, built, "--into", pages]
        subprocess.run(command, env=os.environ | environment, check=True)
    listed = json.loads((pages / "versions.json").read_text())
    assert [each["version"] for each in listed] == ["v0.10.0", "v0.9.0", "dev"]
    assert [each["preferred"] for each in listed] == [True, False, False]
    assert listed[0]["url"] == "https://a.example/b/v0.10.0/"
    assert "url=v0.10.0/index.html" in (pages / "index.html").read_text()
    assert (pages / "dev" / "index.html").read_text() == "dev"


def test_versions_are_pushed_beside_each_other(tmp_path, monkeypatch):
    """What the hosted job does, with a remote repository in a folder."""
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "a")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "a@b.example")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("SCIONWOOD_VERSIONS", "https://a.example/b/versions.json")

    def git(*words):
        return subprocess.run(["git", *words], check=True, capture_output=True, text=True).stdout

    git("init", "--quiet", "--bare", str(tmp_path / "remote"))
    git("clone", "--quiet", str(tmp_path / "remote"), str(tmp_path / "clone"))
    monkeypatch.chdir(tmp_path / "clone")
    git("commit", "--quiet", "--allow-empty", "--message", "first")
    (tmp_path / "html").mkdir()
    for version in ("v0.1.0", "dev", "dev"):  # the last changes nothing
        (tmp_path / "html" / "index.html").write_text(version)
        monkeypatch.setenv("SCIONWOOD_VERSION", version)
        command = [sys.executable, VERSIONS, tmp_path / "html", "--push", "origin"]
        subprocess.run(command, check=True)
    monkeypatch.chdir(tmp_path / "remote")
    assert git("log", "--format=%s", "gh-pages").split() == ["dev", "v0.1.0"]
    assert git("show", "gh-pages:v0.1.0/index.html") == "v0.1.0"
    listed = json.loads(git("show", "gh-pages:versions.json"))
    assert [each["version"] for each in listed] == ["v0.1.0", "dev"]
