"""The manifest of a run: a file that is missing, changed or additional is refused by its name."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from safetensors.torch import load_file, save_file

import scionwood
from scionwood.adapters import load_adapter, load_head, save_adapter, save_head
from scionwood.cli import main
from scionwood.errors import AdapterFileError
from scionwood.recipes.recipe import resolve
from scionwood.runs.manifest import LARGEST, loadable, measure
from scionwood_share.publish import push, stage

from .conftest import NAME

TENSORS = "adapter/adapter_model.safetensors"


@pytest.fixture
def run(toy_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(toy_run, tmp_path / "run"))


def test_fit_lists_every_file_that_loading_uses(run):
    files = json.loads((run / "files.json").read_text())["files"]
    adapter = ["adapter_config.json", "adapter_model.safetensors", "scionwood.json"]
    assert list(files) == [*(f"adapter/{n}" for n in adapter), "head.safetensors", "recipe.yaml"]
    assert files == {name: entry._asdict() for name, entry in measure(run).items()}
    assert files["recipe.yaml"]["bytes"] == (run / "recipe.yaml").stat().st_size


def double(run: Path) -> None:
    state = load_file(run / TENSORS)
    new = {name: value * 2 for name, value in state.items()}
    save_file(new, run / TENSORS, metadata={"format": "pt"})


def as_link(run: Path) -> None:
    (run / TENSORS).rename(run / "elsewhere")
    (run / TENSORS).symlink_to(run / "elsewhere")


def as_pipe(run: Path) -> None:
    (run / TENSORS).unlink()
    os.mkfifo(run / TENSORS)


def add(name: str, text: str = "{}") -> Callable[[Path], object]:
    return lambda run: (run / name).write_text(text)


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no head": (lambda run: (run / "head.safetensors").unlink(), "head.safetensors.*is missing"),
    "no tensors": (lambda run: (run / TENSORS).unlink(), "adapter_model.*is missing"),
    "other values": (double, "adapter_model.*its SHA-256 is"),
    "another recipe": (
        lambda run: _replace(run / "recipe.yaml", "task:", "task: "),
        "recipe.yaml.*bytes, and files.json states",
    ),
    "another option": (
        lambda run: _replace(run / "adapter/adapter_config.json", '"r": ', '"r":  '),
        "adapter_config.json",
    ),
    "a note": (add("normaliser.json"), "normaliser.json.*does not list it"),
    "an adapter's file": (add("adapter/more.json"), "adapter/more.json.*does not list it"),
    "a pickle": (add("adapter/adapter_model.bin"), "adapter_model.bin.*does not list it"),
    "a link": (as_link, "adapter_model.*it is a link"),
    "a pipe": (as_pipe, "adapter_model.*not a regular file"),
    "a manifest of text": (add("files.json", "x"), "readable manifest"),
    "a manifest of a list": (add("files.json", "[]"), "readable manifest"),
    "a deep manifest": (add("files.json", "[" * 100_000), "readable manifest"),
    "a newer manifest": (
        lambda run: _replace(run / "files.json", '"format": 1', '"format": 2'),
        "its format is 2.*Take a newer",
    ),
    "a large manifest": (add("files.json", " " * (LARGEST + 1)), "more than 1,048,576 bytes"),
    "an entry without a hash": (
        lambda run: _replace(run / "files.json", '"sha256"', '"sha1"'),
        "malformed",
    ),
    "a manifest behind a link": (
        lambda run: ((run / "files.json").unlink(), (run / "files.json").symlink_to("/dev/zero")),
        "it is a link",
    ),
}


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("case", CHANGES)
def test_a_changed_run_is_refused_before_its_recipe_is_read(case, run, monkeypatch):
    change, message = CHANGES[case]
    change(run)
    monkeypatch.setattr("scionwood.training.run.resolve", lambda *_: pytest.fail("it was read"))
    for load in (scionwood.find_run, scionwood.load_run, scionwood.test):
        with pytest.raises(AdapterFileError, match=message) as caught:
            load(run)
    assert str(run) in caught.value.value
    assert caught.value.remedy


def test_a_change_after_the_check_is_seen_by_the_next_load(run):
    first = scionwood.load_run(run)
    assert isinstance(first.backbone, torch.nn.Module)
    times = (run / TENSORS).stat()
    double(run)
    os.utime(run / TENSORS, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(AdapterFileError, match="its SHA-256"):
        scionwood.load_run(run)


def test_the_adapter_and_the_head_of_a_changed_run_are_refused_alone(run):
    backbone = resolve(run / "recipe.yaml").backbone.build()
    load_adapter(backbone, run / "adapter")
    double(run)
    backbone = resolve(run / "recipe.yaml").backbone.build()
    with pytest.raises(AdapterFileError, match="its SHA-256"):
        load_adapter(backbone, run / "adapter")
    with pytest.raises(AdapterFileError, match="its SHA-256"):
        load_head(backbone, run / "head.safetensors")


def test_a_run_of_an_earlier_version_loads_with_one_note(run, capsys):
    (run / "files.json").unlink()
    scionwood.load_run(run)
    scionwood.load_run(run)
    assert capsys.readouterr().err.count("has no files.json") == 1
    (run / "head.safetensors").unlink()
    with pytest.raises(AdapterFileError, match="a head was trained beside the adapter"):
        scionwood.load_run(run)


def test_verify_writes_a_manifest_and_then_checks_it(run, capsys):
    double(run)
    assert main(["verify", str(run)]) == 2
    assert "scionwood verify FOLDER --write" in capsys.readouterr().err
    assert main(["verify", str(run), "--write"]) == 0
    assert "5 files are as files.json states; not signed" in capsys.readouterr().out
    scionwood.load_run(run)
    (run / "files.json").unlink()
    assert main(["verify", str(run)]) == 2
    assert "it has no files.json" in capsys.readouterr().err


def test_a_run_that_goes_on_has_no_manifest_until_it_is_finished(run):
    seen: list[bool] = []

    class Watch(Callback):
        def on_train_batch_end(self, *_: object) -> None:
            seen.append((run / "files.json").exists())

    recipe = resolve(run / "recipe.yaml", ["trainer.max_steps=4"])
    scionwood.fit(recipe, resume=run, callbacks=[Watch()])
    assert seen == [False, False]
    scionwood.load_run(run)


def test_the_manifest_follows_what_is_saved_into_the_run(run, monkeypatch):
    model = scionwood.load_run(run).backbone
    for parameter in model.parameters():
        parameter.data.mul_(1.5)
    save_adapter(model, run / "adapter")
    save_head(model, run / "head.safetensors")
    scionwood.load_run(run)
    monkeypatch.chdir(run)
    save_adapter(model, "adapter")
    save_head(model, "head.safetensors")
    assert json.loads(Path("files.json").read_text())["files"] == {
        name: entry._asdict() for name, entry in measure(run).items()
    }
    _replace(run / "recipe.yaml", "task:", "task: ")
    save_head(model, run / "head.safetensors")
    with pytest.raises(AdapterFileError, match=r"recipe.yaml"):
        scionwood.load_run(run)


def test_push_and_pull_keep_the_manifest(hub, run, tmp_path):
    push(run, NAME)
    assert hub.latest(NAME)["files.json"] == (run / "files.json").read_bytes()
    theirs = scionwood.pull(f"hf:{NAME}", tmp_path / "theirs")
    assert loadable(theirs) == loadable(run)
    forged = {"recipe.yaml": b"# forged\n" + (run / "recipe.yaml").read_bytes()}
    hub.replace(NAME, **forged, **{"files.json": (run / "files.json").read_bytes()})
    with pytest.raises(
        AdapterFileError, match=rf"hf:{NAME}: recipe.yaml.*bytes, and files.json states"
    ):
        scionwood.pull(f"hf:{NAME}")


def test_the_adapter_at_the_top_of_a_repository_is_checked(run, tmp_path):
    (tmp_path / "repository").mkdir()
    stage(run, tmp_path / "repository")
    backbone = resolve(run / "recipe.yaml").backbone.build()
    load_adapter(backbone, tmp_path / "repository")
    (tmp_path / "repository/adapter_model.safetensors").write_bytes(b"")
    with pytest.raises(AdapterFileError, match=r"adapter_model.*0 bytes"):
        load_adapter(resolve(run / "recipe.yaml").backbone.build(), tmp_path / "repository")
