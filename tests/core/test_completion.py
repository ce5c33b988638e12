"""Tab completes commands, names, options and files; the scripts run in real shells."""

from __future__ import annotations

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


@pytest.fixture
def offered(sea, tmp_path: Path):
    """Return what bash offers for a line: the script in a real shell, and its `COMPREPLY`."""
    (tmp_path / "script").write_text(printed("bash"))
    # A shell writes each reply on a line of its own; the name of the function is in the script.
    loop = """
        source ./script
        function=$(complete -p scionwood | sed 's/.*-F \\([^ ]*\\).*/\\1/')
        while IFS= read -r line; do
            IFS=' ' read -ra COMP_WORDS <<< "$line"
            if [[ $line == *' ' ]]; then COMP_WORDS+=(""); fi
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            $function
            IFS='|'; echo "${COMPREPLY[*]}"; unset IFS
        done
    """

    def replies(*lines: str) -> list[list[str]]:
        words = "".join(f"scionwood {line}\n" for line in lines)
        command = ["bash", "--norc", "-c", loop]
        run = subprocess.run(command, input=words, capture_output=True, text=True, check=True)
        assert run.stderr == ""
        return [line.split("|") if line else [] for line in run.stdout.split("\n")[:-1]]

    return replies


def printed(shell: str) -> str:
    command = [sys.executable, "-m", "scionwood.cli", "completion", shell]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@SHELL_ONLY
@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
def test_bash_offers_the_words_that_fit(offered):
    expected = {
        "fi": ["fit"],
        "se": ["sea"],
        "--v": ["--version"],
        "sea ": ["clean-up", "join"],
        "sea clean-up tw": ["two words.sgy"],
        "sea clean-up a.sgy ": [],
        "sea clean-up a.sgy 3 ": [],
        "sea clean-up --dry-run tw": ["two words.sgy"],
        "sea clean-up --mode ": ["fast", "slow"],
        "sea clean-up --mode f": ["fast"],
        "sea clean-up --run se": ["sea/first"],
        "sea clean-up --run runs/": ["runs/mine"],
        "sea clean-up a.sgy --": ["--help", "--run", "--mode", "--dry-run"],
        "sea join a tw": ["two words.sgy"],
        "test se": ["sea/first"],
        "check t": ["toy"],
        "completion ": ["bash", "zsh", "fish"],
        "recipe toy/": ["toy/regress"],
        "fit toy/regr": ["toy/regress"],
        "show toy/r": ["toy/regress", "toy/regression"],
        "map sea/": ["sea/clean-up", "sea/join"],
        "fit --s": ["--smoke"],
        "fit tyo/regress": [],
    }
    replies = dict(zip(expected, offered(*expected), strict=True))
    wrong = {line: reply for line, reply in replies.items() if reply != expected[line]}
    assert not wrong


@SHELL_ONLY
@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
def test_every_command_of_every_plugin_can_be_completed(offered):
    names = discovery.commands()
    wrong = [n for n, r in zip(names, offered(*(f"{n} --h" for n in names)), strict=True) if not r]
    assert "fit" in names
    assert "sea clean-up" in names
    assert not wrong


def test_a_broken_command_hides_no_other(distribution, monkeypatch, capsys):
    code = """
from scionwood import Plugin
plugin = Plugin(name="ill", summary="ill", commands={"one": "ill_gone:one", "two": "fake_ill:two"})
def two() -> None:
    "Fine."
"""
    monkeypatch.setenv(discovery.DISABLE, ",".join(discovery.entries()))
    distribution("ill", code, module="fake_ill")
    assert main(["completion", "fish"]) == 0
    shown = capsys.readouterr()
    assert "ill_gone" in shown.err
    assert "ill two" in shown.out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_names_runs_and_choices_and_imports_no_torch(sea, capsys, shell):
    code = (
        "import sys; from scionwood.cli import main; main(sys.argv[1:])\n"
        "print([name for name in ('torch', 'numpy', 'peft') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, "completion", shell]
    script = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert script.endswith("\n[]\n")
    assert "sea/first" in script
    assert "fast slow" in script
    assert "waves" in script or shell == "bash"  # bash shows no meanings
    program = shutil.which(shell)
    if program:  # a shell that is there finds no fault in the script
        assert main(["completion", shell]) == 0
        text = capsys.readouterr().out
        check = subprocess.run([program, "-n"], input=text, text=True, capture_output=True)
        assert (check.returncode, check.stderr) == (0, "")


@SHELL_ONLY
@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
def test_the_script_for_fish_completes_a_line(sea, tmp_path):
    (tmp_path / "script").write_text(printed("fish"))

    def reply(line: str) -> list[str]:
        command = ["fish", "--no-config", "-c", f"source ./script; complete -C '{line}'"]
        return subprocess.run(
            command, capture_output=True, text=True, check=True
        ).stdout.splitlines()

    assert [line.partition("\t")[0] for line in reply("scionwood sea clean-up --mode ")] == [
        "fast",
        "slow",
    ]
    assert reply("scionwood se") == ["sea\twaves: long"]
