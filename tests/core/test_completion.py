"""Tab completes commands, names, options and keys; the scripts run in real shells."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scionwood.cli import main
from scionwood.plugins import discovery

PLUGIN = '''
from typing import Literal
from pathlib import Path
from scionwood.authoring import InputPath, RunPath
from scionwood import Plugin
plugin = Plugin(
    name="sea",
    summary="waves: long",
    commands={"clean_up": "fake_sea:clean_up", "join": "fake_sea:join"},
    adapters={"net": "fake_sea:Net"},
    runs="fake_runs",
)
def clean_up(
    source: InputPath,
    n: int,
    *,
    run: RunPath = "sea/first",
    mode: Literal["fast", "slow"] | None = None,
    dry_run: bool = False,
) -> None:
    """Clean a file. Then stop.

    Args:
        source: the input.
        mode: how fast.
    """
def join(sources: list[InputPath]) -> None:
    """Join files."""
'''
SHELL_ONLY = pytest.mark.skipif(sys.platform == "win32", reason="the shells are those of Unix")


@pytest.fixture
def sea(distribution, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    others = [name for name in discovery.entries() if name != "toy"]
    monkeypatch.setenv(discovery.DISABLE, ",".join(others))
    site = distribution("sea", PLUGIN, module="fake_sea")
    (site / "fake_runs" / "first").mkdir(parents=True)
    (site / "fake_runs" / "__init__.py").touch()
    (site / "fake_runs" / "first" / "recipe.yaml").touch()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two words.sgy").touch()
    (tmp_path / "runs" / "mine" / "adapter").mkdir(parents=True)
    (tmp_path / "runs" / "mine" / "recipe.yaml").touch()


def complete(capsys: pytest.CaptureFixture[str], line: str) -> dict[str, str]:
    assert main(["__complete", *line.split(" ")]) == 0
    lines = capsys.readouterr().out.splitlines()
    return dict(line.split("\t") for line in lines)


FIT = "fit toy/regress"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("fi", "fit"),
        ("se", "sea"),
        ("--v", "--version"),
        ("sea ", "clean-up join"),
        ("sea clean-up ", ":files"),
        ("sea clean-up a.sgy ", ""),
        ("sea clean-up a.sgy 3 ", ""),
        ("sea clean-up --dry-run a.sgy ", ""),
        ("sea clean-up --mode ", "fast slow"),
        ("sea clean-up --mode f", "fast"),
        ("sea clean-up --run ", "sea/first runs/mine :files"),
        ("sea clean-up a.sgy --", "--run --mode --dry-run --help"),
        ("sea join a b ", ":files"),
        ("test se", "sea/first :files"),
        ("check t", "toy"),
        ("completion ", "bash zsh fish"),
        ("recipe toy/", "toy/regress :files"),
        ("show toy/r", "toy/regress toy/regression"),
        ("map sea/", "sea/clean-up sea/join"),
        ("fit --s", "--smoke"),
        (f"{FIT} --task.l", "--task.lr"),
        (f"{FIT} --run x --data.ba", "--data.batch_size"),
        (f"{FIT} --smoke --trainer.max_e", "--trainer.max_epochs"),
        (f"{FIT} --adapter.name=ia3 --adapter.fan", "--adapter.fan_in_fan_out"),
        (f"{FIT} --adapter=full --adapter.", "--adapter.name"),
        (f"{FIT} --task.name ", "toy/regress"),
        (f"{FIT} --adapter.name sea", "sea/net"),
        (f"{FIT} --kernels ", "auto off"),
        (f"{FIT} --task.lr ", ":files"),
        ("fit tyo/regress --task.", ""),
        ("seo clean-up ", ""),
        ("sea claen ", ""),
    ],
)
def test_the_words_that_fit_are_offered(sea, capsys, line: str, words: str) -> None:
    assert list(complete(capsys, line)) == words.split()


def test_a_candidate_comes_with_its_meaning(sea, capsys) -> None:
    assert complete(capsys, "sea c") == {"clean-up": "Clean a file."}
    assert complete(capsys, "sea clean-up --mo") == {"--mode": "how fast."}
    assert complete(capsys, "fi")["fit"].startswith("Train with a recipe")


def test_every_command_of_the_core_can_be_completed(capsys) -> None:
    for command in complete(capsys, ""):
        assert "--help" in complete(capsys, f"{command} --") or "/" not in command


def test_completion_imports_no_torch(sea) -> None:
    code = (
        "import sys; from scionwood.cli import main\n"
        "for line in sys.argv[1:]: main(['__complete', *line.split(' ')])\n"
        "print([name for name in ('torch', 'jsonargparse', 'peft') if name in sys.modules])"
    )
    lines = ["", "sea clean-up --", f"{FIT} --adapter.", f"{FIT} --adapter.name ", "map sea/"]
    run = subprocess.run(
        [sys.executable, "-c", code, *lines], capture_output=True, text=True, check=True
    )
    assert run.stdout.endswith("\n[]\n")


def in_shell(tmp_path: Path, *command: str) -> list[str]:
    """Run a shell in which `scionwood` is on the path, and return the lines that it prints."""
    program = tmp_path / "bin" / "scionwood"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m scionwood.cli "$@"\n')
    program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    run = subprocess.run(
        command, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=True
    )
    assert run.stderr == ""
    return run.stdout.splitlines()


@SHELL_ONLY
@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
def test_the_script_for_bash_fills_its_reply(sea, tmp_path: Path) -> None:
    script = """
        set -eu
        source <(scionwood completion bash)
        complete -p scionwood
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _scionwood; printf '%s\\n' "${COMPREPLY[@]}"
    """

    def reply(*words: str) -> list[str]:
        lines = in_shell(tmp_path, "bash", "--norc", "-c", script, "bash", "scionwood", *words)
        assert lines[0] == "complete -F _scionwood scionwood"
        return lines[1:]

    assert reply("sea", "clean-up", "--mode", "") == ["fast", "slow"]
    assert reply("sea", "clean-up", "two") == ["two words.sgy"]
    assert reply("sea", "clean-up", "--run", "se") == ["sea/first"]
    assert reply("fit", "toy/regress", "--task.l") == ["--task.lr"]


@SHELL_ONLY
@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
def test_the_script_for_zsh_describes_the_words(sea, tmp_path: Path) -> None:
    # `_describe` and `_files` need the line editor.
    script = """
        autoload -U compinit; compinit -D -u
        source <(scionwood completion zsh)
        _describe() { print -rl -- ${(P)2} }
        _files() { print files }
        words=("$@")
        CURRENT=$#
        ${_comps[scionwood]}
    """

    def reply(*words: str) -> list[str]:
        return in_shell(tmp_path, "zsh", "-f", "-c", script, "zsh", "scionwood", *words)

    assert reply("sea", "clean-up", "--mode", "") == ["fast", "slow"]
    assert reply("se") == [r"sea:waves: long"]
    assert reply("sea", "clean-up", "two") == ["files"]
    assert reply("sea", "clean-up", "--run", "se") == ["sea/first:shipped run", "files"]


@SHELL_ONLY
@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
def test_the_script_for_fish_completes_a_line(sea, tmp_path: Path) -> None:
    def reply(line: str) -> list[str]:
        script = f"scionwood completion fish | source; complete -C '{line}'"
        return in_shell(tmp_path, "fish", "--no-config", "-c", script)

    assert reply("scionwood sea clean-up --mode ") == ["fast", "slow"]
    assert reply("scionwood se") == ["sea\twaves: long"]
    assert reply("scionwood sea clean-up two")[0].replace("\\", "") == "two words.sgy"
