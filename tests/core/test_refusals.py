"""A wrong name, key, path or run is refused before torch is imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scionwood.cli import main
from scionwood.plugins import discovery

PLUGIN = '''
from scionwood.authoring import InputPath, OutputPath, RunPath
from scionwood import Plugin
plugin = Plugin(name="sea", commands={"clean": "fake_sea:clean"})
def clean(
    source: InputPath, target: OutputPath, *, run: RunPath = "toy/none", force: bool = False
) -> None:
    """Clean a file."""
    import torch
'''
HEAVY = ("torch", "numpy", "lightning", "peft", "transformers", "matplotlib")
CHILD = f"""
import contextlib, io, json, sys
from scionwood.cli import main
for line in sys.stdin:
    said, printed = io.StringIO(), io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(printed):
        try:
            code = main(line.split())
        except SystemExit as exit:
            code = exit.code
    heavy = [name for name in {HEAVY} if name in sys.modules]
    print(json.dumps([code, said.getvalue(), heavy]))
"""
RECIPE = """
task: {name: toy/regress}
backbone: {name: toy/mlp}
adapter: {name: lora}
data: {name: toy/regression}
"""


@pytest.fixture
def place(distribution, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distribution("sea", PLUGIN, module="fake_sea")
    monkeypatch.chdir(tmp_path)
    for name in ("here.sgy", "there.sgy"):
        (tmp_path / name).touch()
    for name, text in {
        "key": RECIPE.replace("toy/mlp", "toy/mlp, widht: 3"),
        "top": RECIPE + "sede: 3",
        "method": RECIPE.replace("lora", "loraa"),
    }.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "recipe.yaml").write_text(RECIPE)


REFUSED = [
    ("sea clean nope.sgy x.sgy", "nope.sgy: there is no such file"),
    ("sea clean here.sgy there.sgy", "there.sgy: it exists already"),
    ("sea clean here.sgy x.sgy", "run toy/none: plugin 'toy' ships no such run"),
    ("sea clean here.sgy x.sgy --run used", "it does not hold a finished run"),
    ("fit toy/regress --task.lrr 3", "toy/regress: task: unknown key 'lrr'"),
    ("fit toy/regress --task.lrr 3", "Did you mean 'lr'?"),
    ("fit toy/regress --adapter.rank 3", "adapter: unknown key 'rank'"),
    ("fit toy/regress --adapter.name lorra", "Did you mean 'lora'?"),
    ("fit toy/regress --adapter.name sea/absent", "no adapter method 'absent'"),
    ("fit toy/regress --task.name toy/regres", "Did you mean 'regress'?"),
    ("fit toy/regress --backbone tyo/mlp", "Did you mean 'toy'?"),
    ("fit toy/regress --trainer.max_epoch 3", "Did you mean 'max_epochs'?"),
    ("fit toy/regress --trainer 3", "trainer 3: a mapping"),
    ("fit toy/regress --seed x", "seed 'x': an integer"),
    ("fit toy/regress --run used", "used: it holds a run already"),
    ("fit key.yaml", "Did you mean 'width'?"),
    ("fit top.yaml", "Did you mean 'seed'?"),
    ("fit method.yaml", "adapter method 'loraa': neither peft nor a plugin"),
    ("fit absent.yaml", "absent.yaml: there is no such file"),
    ("fit toy/regres", "Did you mean 'regress'?"),
    ("fit --resume absent", "there is no such file"),
    ("recipe toy/regress --data.batchsize 3", "Did you mean 'batch_size'?"),
    ("test absent", "run absent: there is no such folder"),
    ("test used", "used: it does not hold a finished run"),
    ("test toy/regress", "plugin 'toy' ships no such run"),
    ("show toy/regres", "Did you mean 'regress'?"),
]


def run_lines(lines: list[str]) -> list[tuple[int, str, list[str]]]:
    """The exit code, the messages, and the heavy modules after each line, all in one process."""
    run = subprocess.run(
        [sys.executable, "-c", CHILD],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        check=True,
    )
    return [tuple(json.loads(line)) for line in run.stdout.splitlines()]


def test_a_wrong_line_is_refused_without_torch(place):
    answers = run_lines([line for line, _ in REFUSED])
    for (line, message), (code, said, heavy) in zip(REFUSED, answers, strict=True):
        assert message in said, line
        assert said.count("Did you mean") <= 1, line
        assert (code, heavy) == (2, []), line


def test_the_imported_component_decides_what_its_source_leaves_open(distribution, capsys):
    code = (
        "from scionwood import Plugin\n"
        "plugin = Plugin('open', backbones={'net': 'fake_open:net'})\n"
        "def other(function): return lambda *, hidden=1: function()\n@other\ndef net(): ...\n"
    )
    distribution("open", code, module="fake_open")
    assert main(["recipe", "toy/regress", "--backbone=open/net", "--backbone.hiden=2"]) == 2
    assert "unknown key 'hiden': every key must be known. Did you mean" in capsys.readouterr().err
    assert main(["recipe", "toy/regress", "--backbone=open/net", "--backbone.hidden=2"]) == 0


def test_what_only_prints_imports_no_torch(place):
    lines = ["--version", "--help", "toy", "sea", "fit --help", "sea clean --help", "runs"]
    lines += ["plugins", "plugins --json", *discovery.entries()]
    for line, (code, said, heavy) in zip(lines, run_lines(lines), strict=True):
        assert (code, said, heavy) == (0, "", []), line
