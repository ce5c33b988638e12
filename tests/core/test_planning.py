"""Plans of commands: ranked by words, drafted, and checked against signatures without running."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scionwood import PluginError, check_plan, draft, rank_tools, tools
from scionwood.cli import main

ASK = """
import sys
from scionwood.cli import main
assert main(["ask", "remove ground roll from line.sgy"]) == 0
assert "torch" not in sys.modules
"""

ASKED = {
    "remove ground roll from line.sgy": "seismic denoise",
    "remove patient names from scan.dcm": "biomed deidentify",
    "check a Bangla letter letter.txt for wrong honorifics": "bangla check",
    "predict how a part crashes from part.k": "crash predict",
    "compress a field velocity.nc": "pde encode",
    "sign a run": "sign",
    "denoise line.sgy": "seismic denoise",
}


def test_ask_prints_the_command_and_never_runs_it(python: Callable[..., str], tmp_path) -> None:
    first = python("-c", ASK).splitlines()[0]
    assert first == "scionwood seismic denoise line.sgy CLEAN"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("request_", ASKED)
def test_words_find_the_command(request_: str) -> None:
    tool = rank_tools(request_)[0][1]
    assert tool.name == ASKED[request_]
    assert check_plan(draft(request_, tool)).name == ASKED[request_]


def test_nothing_is_proposed_for_a_request_that_no_command_is_for(capsys) -> None:
    assert main(["ask", "make me a cup of tea"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("No command is plain. The nearest:")
    assert "scionwood " not in shown


def test_a_draft_takes_files_runs_and_numbers_from_the_request() -> None:
    known = {tool.name: tool for tool in tools()}
    assert "ask" not in known
    line = draft("denoise a.sgy to b.sgy with seed 3", known["seismic denoise"])
    assert line.startswith("scionwood seismic denoise a.sgy b.sgy")
    assert "--seed 3" in draft("answer with seed 3", known["language generate"])
    assert "--run bangla/register_tiny" in draft("evaluate", known["bangla evaluate"])


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("scionwood fly", "no such command"),
        ("scionwood seismic denoise", "required: noisy, clean"),
        ("scionwood fit a/b --sed 3", "unrecognized option --sed"),
        ("scionwood language generate hello --seed x", "Expected a <class 'int'>"),
        ("scionwood fit 'a", "not a command line"),
    ],
)
def test_a_wrong_plan_is_refused_by_its_fault(line: str, rule: str) -> None:
    with pytest.raises(PluginError, match=rule):
        check_plan(line)


def test_a_request_without_any_known_word_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", "qqq zzz"]) == 2
    assert "no command shares a word" in capsys.readouterr().err
