"""Versions are copies that are named by their content; one of them is live."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from case_table import table

import scionwood
from scionwood import AdapterFileError
from scionwood_serve import ServingError, Version, VersionRegistry, take_version
from scionwood_serve.web.inspection import STRUCTURE, inspect_version


@pytest.fixture
def run(tmp_path: Path) -> Path:
    target = tmp_path / "run"
    shutil.copytree(scionwood.find_run("seismic/denoise", quiet=True), target)
    (target / "files.json").unlink()
    return target


def test_a_version_depends_on_what_loading_uses_and_on_nothing_else(run, tmp_path):
    first = take_version(run, tmp_path / "held")
    (run / "README.md").write_text("another card")
    assert take_version(run, tmp_path / "held") == first
    config = json.loads((run / "adapter" / "adapter_config.json").read_text())
    config["lora_alpha"] *= 2  # the weights are the same, the answers are not
    (run / "adapter" / "adapter_config.json").write_text(json.dumps(config))
    second = take_version(run, tmp_path / "held")
    assert second.version != first.version
    assert first.fields == ("seismic",)
    assert len(first.base) == 64


def test_a_version_is_a_copy_of_what_loading_uses(run, tmp_path):
    (run / "last.ckpt").write_bytes(b"x")
    (run / ".hidden.json").write_text("{}")
    version = take_version(run, tmp_path / "held", "clean")
    copied = {path.name for path in version.folder.rglob("*")}
    assert not {"last.ckpt", ".hidden.json"} & copied
    before = (version.folder / "recipe.yaml").read_bytes()
    (run / "recipe.yaml").write_text("task: {}")
    assert (version.folder / "recipe.yaml").read_bytes() == before


def test_a_changed_copy_is_refused(run, tmp_path):
    version = take_version(run, tmp_path / "held")
    (version.folder / "recipe.yaml").write_text("task: {}")
    with pytest.raises(ServingError, match="its files were changed"):
        take_version(run, tmp_path / "held")


def test_a_file_that_differs_from_the_manifest_is_refused(run, tmp_path):
    scionwood.authoring.write_manifest(run)
    with (run / "head.safetensors").open("r+b") as file:
        file.seek(500)
        file.write(b"xxxx")
    with pytest.raises(AdapterFileError, match=r"head\.safetensors"):
        take_version(run, tmp_path / "held")
    assert not list((tmp_path / "held").glob("new-*"))


@table("name", ["A", "../x", "a/b", "-a", "a" * 65, "a b", "a@b"])
def test_a_name_that_is_no_part_of_a_url_is_refused(name, run, tmp_path):
    with pytest.raises(ServingError, match="a name has lower-case letters"):
        take_version(run, tmp_path / "held", name)


def version(name: str, number: int, *fields: str) -> Version:
    return Version(name, f"{number:016x}", Path(), fields or ("seismic",), "seismic/denoise", "")


def test_the_book_finds_by_field_name_and_version():
    registry = VersionRegistry(
        [version("a", 1), version("b", 2), version("c", 3, "bangla", "language")]
    )
    assert registry.find("seismic", "b").version.endswith("2")
    assert registry.find("bangla").name == "c"
    assert registry.find("seismic", f"a@{1:016x}").name == "a"
    for field, wanted in (("seismic", ""), ("seismic", "c"), ("seismic", "a@0"), ("pde", "")):
        with pytest.raises(ServingError) as caught:
            registry.find(field, wanted)
        assert caught.value.status == 404


def test_old_versions_go_but_for_the_last_two_and_those_in_use():
    registry = VersionRegistry([version("a", 0)])
    with registry.using(version("a", 0)):
        for number in range(1, 5):
            registry.switch(version("a", number))
        assert [gone.version[-1] for gone in registry.surplus()] == ["1"]
        assert registry.find("seismic", f"a@{0:016x}").version == f"{0:016x}"
    assert [gone.version[-1] for gone in registry.surplus()] == ["0"]
    assert [kept.version[-1] for kept in registry.loaded()] == ["2", "3", "4"]


def test_a_version_that_comes_back_is_live_once_and_names_are_unique():
    registry = VersionRegistry([version("a", 0)])
    registry.switch(version("a", 1))
    registry.switch(version("a", 0))
    assert [kept.version[-1] for kept in registry.loaded()] == ["1", "0"]
    with pytest.raises(ServingError, match="two adapters have this name"):
        VersionRegistry([version("a", 0), version("a", 1)])


def test_without_audit_the_verdict_says_so(monkeypatch):
    monkeypatch.setenv("SCIONWOOD_DISABLE", "audit")
    scionwood.authoring.refresh()
    try:
        assert inspect_version(scionwood.find_run("seismic/denoise", quiet=True)) == STRUCTURE
    finally:
        monkeypatch.undo()
        scionwood.authoring.refresh()
