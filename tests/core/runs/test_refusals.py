"""What a stranger's repository may hold, and how a fetch may fail."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
import torch
import yaml
from case_table import table
from safetensors.torch import load, save

import scionwood
from scionwood.adapters import save as saving
from scionwood.cli import main
from scionwood.errors import (
    AdapterError,
    AdapterFileError,
    ReadError,
    RecipeError,
    WriteError,
)
from scionwood.runs import layout
from scionwood.runs.cache import all_cached, cache_folder, workshop
from scionwood.runs.layout import arrange
from scionwood.runs.origin import scope_and_score

from .conftest import NAME, refused

REFERENCE = f"hf:{NAME}"
TENSORS = "adapter_model.safetensors"


def test_other_files_of_a_repository_are_never_fetched(shared):
    shared.replace(NAME, **{"modeling.py": b"1/0", "last.ckpt": b"", "figures/../../x.png": b""})
    folder = scionwood.pull(REFERENCE)
    assert not [path for path in folder.rglob("*") if path.suffix in {".py", ".ckpt"}]
    fetched = [request for request in shared.requests if "/resolve/" in request]
    assert fetched
    assert not [r for r in fetched if "modeling" in r or "ckpt" in r or "x.png" in r]


def moved_tensor(files):
    tensors = load(files[TENSORS])
    name = next(iter(tensors))
    return save({**tensors, name: tensors[name] + 1e-3})


@pytest.mark.parametrize(
    ("name", "content", "kind", "match"),
    [
        (
            TENSORS,
            moved_tensor,
            AdapterFileError,
            "its weights have the digest .* but it states",
        ),
        (
            layout.MANIFEST,
            lambda files: json.dumps(json.loads(files[layout.MANIFEST]) | {"format": 2}).encode(),
            AdapterFileError,
            "has format 2, and this version reads 1. Take a newer",
        ),
        (
            "recipe.yaml",
            lambda _: b"task: {class_path: os.system}\n",
            RecipeError,
            f"{REFERENCE}: recipe.yaml: `class_path`",
        ),
        ("recipe.yaml", lambda _: None, ReadError, "holds no run"),
    ],
    ids=["tensor", "format", "class", "no recipe"],
)
def test_a_wrong_file_is_refused(shared, name, content, kind, match):
    shared.replace(NAME, **{name: content(shared.latest(NAME))})
    refused(REFERENCE, kind, match)


def test_files_that_are_too_large_are_refused_whatever_the_list_says(shared):
    assert (layout.FORMAT, layout.MANIFEST) == (saving.FORMAT, saving.MANIFEST)
    shared.sizes[TENSORS] = 1 << 50
    refused(REFERENCE, AdapterFileError, f"{TENSORS}: it has 1,125,899,906,842,624 bytes")
    assert not [request for request in shared.requests if "/resolve/" in request]
    del shared.sizes[TENSORS]
    shared.replace(NAME, **{"README.md": b"x" * ((16 << 20) + 1)})
    shared.sizes["README.md"] = 10
    refused(REFERENCE, AdapterFileError, f"{REFERENCE}: README.md: it has 16,777,217 bytes")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda t: {k: v * float("nan") for k, v in t.items()}, "not finite"),
        (lambda t: {k: torch.cat([v, v]) for k, v in t.items()}, "has shape"),
        (lambda t: {**t, "extra": torch.zeros(1)}, "foreign tensors: extra"),
    ],
    ids=["nan", "shape", "foreign"],
)
def test_a_hostile_tensor_is_refused_when_the_run_is_loaded(shared, change, match):
    tensors = save(change(load(shared.latest(NAME)[TENSORS])))
    shared.replace(NAME, **{TENSORS: tensors, "origin.json": None})
    with pytest.raises(AdapterFileError, match=match):
        scionwood.load_run(REFERENCE)


def test_another_base_is_refused_when_the_run_is_loaded(shared):
    recipe = shared.latest(NAME)["recipe.yaml"].replace(b"init_seed: 0", b"init_seed: 1")
    shared.replace(NAME, **{"recipe.yaml": recipe})
    with pytest.raises(AdapterFileError, match="made for the base"):
        scionwood.load_run(REFERENCE)


HIDDEN = "(?x:([a-z_.0-9]+)#\n+X)"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("targets", HIDDEN),
        ("targets", "(?!stem).*"),
        ("exclude_modules", HIDDEN),
        ("rank_pattern", {HIDDEN: 4}),
    ],
    ids=["targets", "lookahead", "exclusion", "ranks"],
)
def test_a_recipe_with_a_pattern_that_could_hang_is_refused(shared, option, value):
    recipe = yaml.safe_load(shared.latest(NAME)["recipe.yaml"])
    recipe["adapter"][option] = value
    shared.replace(NAME, **{"recipe.yaml": yaml.safe_dump(recipe).encode()})
    refused(
        REFERENCE, AdapterError, rf"recipe.yaml: adapter.{option} .* it is not a pattern of RE2"
    )


def test_what_the_hub_lacks_is_named(shared):
    refused("hf:tester/none", ReadError, "no such repository")
    refused(f"{REFERENCE}@v9", ReadError, "no such revision")


def test_no_network_is_told(hub, monkeypatch, capsys):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}"
        monkeypatch.setenv("HF_ENDPOINT", nobody)
        assert main(["pull", REFERENCE]) == 2
        assert main(["pull", f"{nobody}/a.zip#sha256={'0' * 64}"]) == 2
    told = capsys.readouterr().err
    assert f"{nobody} cannot be reached" in told
    assert "HF_ENDPOINT" in told
    assert f"{nobody}/a.zip: the server cannot be reached" in told
    assert "SCIONWOOD_MIRROR" in told


@table(
    "head",
    [
        "a: &a rows\nmodel-index: [{results: [{dataset: {name: *a}}]}]",
        "model-index: 1",
        "model-index: [{results: [{metrics: []}]}]",
        "- 1",
        "{",
    ],
)
def test_odd_metadata_of_a_card_are_left_out(tmp_path, head):
    (tmp_path / "README.md").write_text(f"---\n{head}\n---\n")
    assert scope_and_score(tmp_path) == ("", "")


def test_a_link_among_fetched_files_is_refused(tmp_path):
    (tmp_path / "fetched").mkdir()
    (tmp_path / "fetched" / "README.md").symlink_to("/etc/hostname")
    with pytest.raises(AdapterFileError, match=r"hf:a/b: README\.md: it is a link"):
        arrange(tmp_path / "fetched", tmp_path / "run", "hf:a/b")


def test_a_killed_pull_leaves_no_run(shared):
    shared.replace(NAME, **{"metrics.csv": b"x" * (64 << 20)})
    code = f"import scionwood; scionwood.pull({REFERENCE!r})"
    process = subprocess.Popen([sys.executable, "-c", code])
    while not list(cache_folder().glob("downloads/*/.cache")):
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not all_cached()
    (left,) = cache_folder().glob("downloads/*")
    os.utime(left, (0, 0))  # as if it was killed long ago
    with workshop():
        assert not left.exists()


def test_a_full_disk_leaves_no_run(shared, disk, monkeypatch):
    place = disk("256k")
    shared.replace(NAME, **{"metrics.csv": b"x" * (1 << 20)})
    monkeypatch.setenv("SCIONWOOD_CACHE", str(place / "cache"))
    refused(REFERENCE, WriteError, "it needs [\\d,]+ bytes, and the disk has")


@pytest.mark.slow  # the hub's client tries five times, with pauses
def test_a_cut_file_of_a_repository_is_refused(shared):
    shared.cut.add(TENSORS)
    refused(REFERENCE, ReadError, "cannot be reached, or stopped answering")
