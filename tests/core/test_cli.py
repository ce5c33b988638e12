"""The command line as a person meets it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from scionwood.cli import main

PLUGIN = '''
from __future__ import annotations
from pathlib import Path
from typing import Literal
from scionwood import Plugin, ReadError
plugin = Plugin(
    name="sea",
    summary="waves",
    commands={"clean": "fake_sea:clean", "stop": "fake_sea:stop"},
    backbones={"net": "fake_sea:net"},
)
def clean(source: Path, *, level: float = 0.5, dry_run: bool = False) -> None:
    """Clean a file.

    Args:
        source: what to read.
        level: how much, in dB.
        dry_run: write nothing.
    """
    if level < 0:
        raise ReadError(str(source), "a level is positive", "Give --level 1")
    print(source, level, dry_run)
def stop() -> None:
    """Stop."""
    raise KeyboardInterrupt
def net(*, width: int = 4, mode: Literal["a", "b"] = "a"):
    """A net.

    Args:
        width: of a layer.
        mode: of the layer.
    """
'''


@pytest.fixture
def sea(distribution):
    distribution("sea", PLUGIN, module="fake_sea")


def test_a_plugins_command_takes_its_signatures_arguments(sea, capsys):
    assert main(["sea", "clean", "a.sgy", "--level", "2", "--dry-run"]) == 0
    assert capsys.readouterr().out == "a.sgy 2.0 True\n"


def test_an_error_is_one_message_and_exit_code_two(sea, capsys):
    assert main(["sea", "clean", "a.sgy", "--level=-1"]) == 2
    assert capsys.readouterr().err == "scionwood: a.sgy: a level is positive. Give --level 1\n"


def test_ctrl_c_ends_with_130(sea):
    assert main(["sea", "stop"]) == 130


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["see", "clean"], "Did you mean 'sea'"),
        (["sea", "claen"], "no command 'claen'. Did you mean 'clean'"),
        (["fti", "toy/regress"], "Did you mean 'fit'"),
        (["fit"], "needs a recipe"),
        (["fit", "toy/regres"], "Did you mean 'regress'"),
        (["fit", "toy/regress", "--task.lrr", "1"], "unknown key 'lrr'"),
        (["fit", "toy/regress", "--resume", "runs/x"], "carries its own recipe"),
        (["fit", "--resume", "runs/absent"], "no such file"),
        (["show", "sea/nett"], "Did you mean 'net'"),
        (["check", "absent"], "unknown"),
    ],
)
def test_a_slip_is_answered_with_the_nearest_right_word(sea, capsys, argv, words):
    assert main(argv) == 2
    assert words in capsys.readouterr().err


def test_an_unknown_option_of_a_command_is_refused(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["plugins", "--jsn"])
    assert caught.value.code == 2
    assert "--jsn" in capsys.readouterr().err


def test_help_of_a_plugin_and_of_its_command(sea, capsys):
    assert main(["sea"]) == 0
    assert "clean, stop" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["sea", "clean", "--help"])
    assert "how much, in dB" in capsys.readouterr().out


def test_show_prints_signature_and_documentation(sea, capsys):
    main(["show", "sea/net"])
    assert """width: int = 4\n  mode: Literal['a', 'b'] = 'a'""" in capsys.readouterr().out
    main(["show", "sea"])
    assert "backbone        sea/net" in capsys.readouterr().out
    main(["show", "toy/regress"])
    assert "recipe toy/regress" in capsys.readouterr().out


def test_plugins_lists_the_healthy_and_the_broken(sea, distribution, capsys):
    distribution("bad", "raise SystemExit")
    main(["plugins"])
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("* sea") and "commands: clean, stop" in line for line in lines)
    assert any(line.startswith("x bad") and "SystemExit" in line for line in lines)
    main(["plugins", "--json"])
    listed = {item["name"]: item for item in json.loads(capsys.readouterr().out)}
    assert listed["bad"]["plugin"] is None


def test_the_doctor_fails_where_a_component_cannot_be_imported(alone, sea, distribution, capsys):
    distribution("bad", "import absent")
    assert main(["plugins", "--doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("* sea") for line in lines)
    assert any(line.startswith("x bad") and "absent" in line for line in lines)


def test_recipe_prints_what_fit_would_run(capsys):
    assert main(["recipe", "toy/regress", "--task.lr", "3e-4", "--seed=5"]) == 0
    printed = capsys.readouterr().out
    assert "lr: 0.0003" in printed
    assert "seed: 5" in printed
    assert main(["recipe", "toy/regress", "--source"]) == 0
    assert "#" in capsys.readouterr().out  # the comments are there


def test_the_installed_script_runs():
    script = [sys.executable, "-m", "scionwood.cli", "--version"]
    run = subprocess.run(script, capture_output=True, text=True, check=True)
    assert run.stdout.startswith("scionwood ")
