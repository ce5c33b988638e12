"""The command line: arguments, messages, exit codes."""

import json
import subprocess
import sys
from importlib.metadata import version

import pytest
from case_table import table

import scionwood
from scionwood.cli import CLOSED_PIPE, main
from scionwood.plugins.discovery import verbs
from scionwood.recipes.recipe import resolve

PLUGIN = '''
from pathlib import Path
from typing import Literal
from scionwood import Plugin, ReadError
plugin = Plugin(
    name="sea",
    summary="waves",
    commands={
        "clean": "fake_sea:clean",
        "stop": "fake_sea:stop",
        "lost": "fake_sea:lost",
        "many_words": "fake_sea:many_words",
    },
    backbones={"net": "fake_sea:net"},
)
def clean(source: Path, *, level: float = 0.5, dry_run: bool = False) -> None:
    """Clean a file.

    More about it.

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
def many_words() -> None:
    """Print more than a pipe holds."""
    for _ in range(100_000):
        print("a line of words")
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


def test_the_signature_of_a_command_is_its_command_line(sea, capsys):
    assert main(["sea", "clean", "a.sgy", "--level", "2", "--dry-run"]) == 0
    assert capsys.readouterr().out == "a.sgy 2.0 True\n"


def test_an_error_prints_one_message_and_exits_with_2(sea, capsys):
    assert main(["sea", "clean", "a.sgy", "--level=-1"]) == 2
    assert capsys.readouterr().err == "scionwood: a.sgy: a level is positive. Give --level 1\n"


def test_ctrl_c_exits_with_130(sea):
    assert main(["sea", "stop"]) == 130


@table(
    ("argv", "words"),
    [
        (["seaa", "clean"], "Did you mean 'sea'"),
        (["sea", "claen"], "no command 'claen'. Did you mean 'clean'"),
        (["fti", "toy/regress"], "Did you mean 'fit'"),
        (["zzz"], "neither a command nor a plugin"),
        (["fit"], "needs a recipe"),
        (["fit", "toy/regress", "--smke"], "unknown option '--smke'"),
        (["fit", "toy/regress", "--smke"], "Did you mean '--smoke'"),
        (["fit", "toy/regress", "--resume", "runs/x"], "carries its own recipe"),
        (["show", "sea/nett"], "Did you mean 'net'"),
        (["check", "absent"], "unknown"),
        (["check", "tyo"], "Did you mean 'toy'"),
        (["show", "tyo/regress"], "Did you mean 'toy'"),
        (["recipe", "tyo/regress"], "Did you mean 'toy'"),
        (["fit", "toy/regress", "--task.name", "tyo/regress"], "Did you mean 'toy'"),
        (["recipe", "toy/regress", "--soruce"], "Did you mean '--source'"),
    ],
)
def test_suggests_the_nearest_right_word_once(sea, capsys, argv, words):
    assert main(argv) == 2
    message = capsys.readouterr().err
    assert words in message
    assert message.count("Did you mean") <= 1


@table(
    ("argv", "words"),
    [
        (["plugins", "--jsn"], "--jsn. Did you mean '--json'"),
        (["sea", "clean", "a.sgy", "--levle", "2"], "--levle. Did you mean '--level'"),
        (["sea", "clean", "a.sgy", "--zzz"], "Known: --help, --source, --level, --dry-run"),
    ],
)
def test_refuses_an_unknown_option_of_a_command(sea, capsys, argv, words):
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2
    assert words in capsys.readouterr().err


def test_a_plugin_lists_its_commands_with_a_sentence_each(sea, capsys):
    assert main(["sea"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "sea: waves"
    assert "clean       Clean a file." in lines
    assert "many-words  Print more than a pipe holds." in lines
    assert any(line.startswith("lost") and "cannot be used" in line for line in lines)
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


def test_plugins_lists_working_and_broken_plugins(alone, sea, distribution, capsys):
    distribution("bad", "raise SystemExit")
    main(["plugins"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["plugin", "version", "what", "it", "brings"]
    assert any(line.startswith("sea ") and "commands: clean, stop" in line for line in lines)
    assert any(line.startswith("bad ") and "cannot be used: SystemExit" in line for line in lines)
    main(["plugins", "--json"])
    listed = {item["name"]: item for item in json.loads(capsys.readouterr().out)}
    assert listed["bad"]["plugin"] is None


def test_the_doctor_fails_if_a_component_cannot_be_imported(alone, sea, distribution, capsys):
    distribution("bad", "import absent")
    distribution("well", "from scionwood import Plugin; plugin = Plugin('well')")
    assert main(["plugins", "--doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("* well") for line in lines)
    assert any(line.startswith("x bad") and "absent" in line for line in lines)


def test_recipe_prints_the_recipe_that_fit_would_run(capsys):
    assert main(["recipe", "toy/regress", "--task.lr", "3e-4", "--seed=5"]) == 0
    printed = capsys.readouterr().out
    assert "lr: 0.0003" in printed
    assert "seed: 5" in printed
    assert main(["recipe", "toy/regress", "--source"]) == 0
    assert "#" in capsys.readouterr().out  # the comments are there


def test_a_printed_recipe_can_be_made_small_as_its_source(capsys, tmp_path):
    assert main(["recipe", "toy/regress"]) == 0
    printed = tmp_path / "mine.yaml"
    printed.write_text(capsys.readouterr().out)
    small, whole = resolve(printed, smoke=True), resolve(printed)
    assert small.dump() == resolve("toy/regress", smoke=True).dump()
    assert small.dump() != whole.dump()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows reports a closed pipe otherwise")
@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["show", "toy/regress"], marks=pytest.mark.slow),  # imports torch
        ["sea", "many-words"],
    ],
)
def test_a_closed_pipe_ends_quietly(sea, command):
    process = subprocess.Popen(
        [sys.executable, "-m", "scionwood.cli", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()  # as `head` does; here before the first line is written
    assert process.stderr.read() == b""
    assert process.wait(timeout=60) == CLOSED_PIPE
    process.stderr.close()


def test_another_broken_pipe_is_an_error(monkeypatch, tmp_path):
    def fail(*_):
        raise BrokenPipeError("a worker has gone")

    monkeypatch.setattr("scionwood.cli._run", fail)
    with (tmp_path / "out").open("w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        with pytest.raises(BrokenPipeError, match="worker"):
            main(["plugins"])


def test_version_names_the_plugins_and_torch(sea):
    script = [sys.executable, "-m", "scionwood.cli", "--version"]
    run = subprocess.run(script, capture_output=True, text=True, check=True)
    lines = run.stdout.splitlines()
    assert lines[0] == f"scionwood {scionwood.__version__}"
    assert "plugin sea: fake-sea 1.0" in lines
    assert lines[-1] == f"torch {version('torch')}"


def test_help_names_every_command_and_how_to_list_keys(capsys):
    for words in (["--help"], ["fit", "--help"]):
        with pytest.raises(SystemExit):
            main(words)
    printed = capsys.readouterr().out
    assert all(f"\n    {name}" in printed for name in verbs())
    assert "scionwood recipe NAME" in " ".join(printed.split())


def test_fit_and_test_take_names_and_strings(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["fit", "toy/regress", "--smoke", "--run", "first", "--seed", "3"]) == 0
    run = capsys.readouterr().out.strip()
    assert run == str(tmp_path / "first")
    assert main(["test", "first"]) == 0
    printed = capsys.readouterr().out
    metrics = scionwood.test("first")
    assert f"{metrics['test_loss']:.6g}" in printed
    assert not scionwood.load_run("first").training
    assert main(["recipe", "first/recipe.yaml"]) == 0
    assert "seed: 3" in capsys.readouterr().out
    assert main(["fit", "--resume", "first", "--task.lr=1e-3"]) == 0
    assert "lr: 0.001" in (tmp_path / "first" / "recipe.yaml").read_text()
    with pytest.raises(scionwood.OutputExistsError, match="it holds a run already"):
        scionwood.fit("toy/regress", run_dir="first")
