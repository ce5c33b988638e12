"""A command line is read by the signature of a function."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from case_table import table

from scionwood import PluginError, TrainingError
from scionwood.authoring import (
    LoadedRun,
    OutputPath,
    RunPath,
    check_plan,
    command_words,
    with_options_classes,
)
from scionwood.cli.command import parse_command
from scionwood.cli.words import meanings


def clean(
    source: Path, target: Path | None = None, *, run: Path = Path("runs"), json: bool = False
) -> None:
    """Clean a file.

    Args:
        source: the input.
        target: the output.
        run: the run folder.
        json: print JSON.
    """


def parse(*words: str) -> dict[str, Any]:
    return parse_command(clean, "scionwood x clean", words)


def compute(source: Path, result: OutputPath | None = None) -> None:
    """Compute a result, which Python may keep in memory."""


def test_the_command_line_needs_the_file_of_a_result(capsys):
    assert parse_command(compute, "x", ["a", "b"]) == {"source": Path("a"), "result": Path("b")}
    with pytest.raises(SystemExit):
        parse_command(compute, "x", ["a"])
    assert "required: result" in capsys.readouterr().err


BOTH = {"source": Path("a"), "target": Path("b"), "run": Path("r"), "json": True}


def test_words_become_the_arguments_of_the_function():
    assert parse("a", "b", "--run", "r", "--json") == BOTH
    assert parse("--run=r", "--json", "a", "b") == BOTH


def test_a_positional_parameter_may_have_a_default():
    assert parse("a")["target"] is None


def several(
    source: str, *, names: list[str] | None = None, numbers: list[int] | None = None, n: int = 0
) -> None:
    """Read several names and numbers."""


@table(
    ("words", "names"),
    [
        (("--names", "a", "b c", "d,e"), ["a", "b c", "d,e"]),
        (("--names", "a"), ["a"]),
        (("--names", "[a, b]"), ["a", "b"]),
        (("--names=[a,b]",), ["a", "b"]),
        ((), None),
    ],
    ids=["words", "one", "brackets", "equals", "none"],
)
def test_an_option_that_is_a_list_takes_words(words, names):
    given = parse_command(several, "x", ["s", *words, "--numbers", "1", "-2", "--n", "3"])
    assert given == {"source": "s", "names": names, "numbers": [1, -2], "n": 3}


def test_the_help_of_an_option_may_have_a_per_cent_sign(capsys):
    def command(*, share: str = "5 %") -> None:
        """Remove noise.

        Args:
            share: at most 10 % of the energy.
        """

    with pytest.raises(SystemExit):
        parse_command(command, "x", ["--help"])
    assert "at most 10 % of the energy. (default: 5 %)" in capsys.readouterr().out


def test_a_positional_list_takes_one_or_more_words(capsys):
    def join(parts: list[Path]) -> None:
        """Join files."""

    assert parse_command(join, "x", ["a", "b"]) == {"parts": [Path("a"), Path("b")]}
    with pytest.raises(SystemExit) as stop:
        parse_command(join, "x", [])
    assert stop.value.code == 2
    assert "parts" in capsys.readouterr().err


@table(
    ("line", "rule"),
    [
        ("scionwood fly", "no such command"),
        ("scionwood seismic denoise", "required: noisy, clean"),
        ("scionwood fit a/b --sed 3", "unrecognized option --sed"),
        ("scionwood language generate hello --seed x", "Expected a <class 'int'>"),
        ("scionwood fit 'a", "not a command line"),
    ],
)
def test_a_wrong_plan_is_refused_by_its_fault(line, rule):
    with pytest.raises(PluginError, match=rule):
        check_plan(line)


def test_a_plan_names_a_command_and_runs_nothing(tmp_path):
    target = tmp_path / "clean.sgy"
    assert check_plan(f"scionwood seismic denoise line.sgy {target}") == "seismic denoise"
    assert check_plan("fit seismic/denoise --run mine") == "fit"
    assert not target.exists()


@dataclass(frozen=True)
class CleanOptions:
    """How to clean.

    Attributes:
        gate: what the gate does.
        tile: the size of a tile, samples.
        names: traces to leave out.
        exact: no approximation.
        run: a finished run.
    """

    gate: Literal["blend", "off"] = "blend"
    tile: int | None = None
    names: list[str] = field(default_factory=list)
    exact: bool = False
    run: RunPath | None = None


def test_the_run_of_a_service_is_no_class_of_options():
    def service(loaded: LoadedRun, source: Path, *, options: CleanOptions = CleanOptions()) -> None:
        """Clean."""

    assert {"loaded", "gate"} < command_words(service).keys()
    values = with_options_classes(service, {"gate": "off"})
    assert values == {"options": CleanOptions("off")}


def test_the_fields_of_a_dataclass_are_options(capsys):
    def clean_files(source: str, options: CleanOptions = CleanOptions(), *, n: int = 1) -> None:
        """Clean."""

    def parsed(line: str) -> dict[str, Any]:
        return parse_command(clean_files, "x", line.split())

    assert parsed("a") == {"source": "a", "options": CleanOptions(), "n": 1}
    options = CleanOptions("off", 8, ["b", "c"], True)
    line = "a --gate off --n 2 --tile 8 --names b c --exact"
    assert parsed(line) == {"source": "a", "options": options, "n": 2}
    for line, rule in [("a --gate none", "value: none"), ("a --gat off", "--gate"), ("--help", "")]:
        with pytest.raises(SystemExit):
            parsed(line)
        captured = capsys.readouterr()
        assert rule in captured.err
    assert "the size of a tile, samples." in captured.out
    assert meanings(clean_files) == {"run": "run"}
    with pytest.raises(TrainingError, match="absent"):
        parsed("a --run absent/run")


def test_the_default_of_the_parameter_holds_on_the_command_line_too():
    def clean_files(source: str, options: CleanOptions = CleanOptions("off", 8)) -> None:
        """Clean."""

    assert parse_command(clean_files, "x", ["a"])["options"] == CleanOptions("off", 8)
    parsed = parse_command(clean_files, "x", ["a", "--exact"])["options"]
    assert parsed == CleanOptions("off", 8, exact=True)
    assert command_words(clean_files)["tile"].default == 8


def test_a_parameter_named_like_a_field_of_its_options_is_refused():
    def clean_files(source: str, options: CleanOptions = CleanOptions(), *, tile: int = 3) -> None:
        """Clean."""

    with pytest.raises(PluginError, match=r"clean_files: tile.*one name"):
        parse_command(clean_files, "x", ["a", "--tile", "4"])
