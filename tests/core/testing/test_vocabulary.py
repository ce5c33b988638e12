"""The vocabulary check: a synonym of an option is refused, with the word to use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from case_table import table

from scionwood import Plugin
from scionwood_kit import CheckFailure
from scionwood_kit.checks import vocabulary
from scionwood_kit.checks.vocabulary import WORDS, check_vocabulary

PAGE = Path(__file__).parents[3] / "docs" / "architecture.md"


def faults(monkeypatch: pytest.MonkeyPatch, function: Callable[..., None]) -> list[str]:
    monkeypatch.setattr(vocabulary, "component", lambda _: function)
    try:
        check_vocabulary(Plugin("x", commands={"do": "any:thing"}))
    except CheckFailure as failure:
        return [str(problem) for problem in failure.problems]
    return []


def test_a_command_in_the_vocabulary_passes(monkeypatch):
    def do(
        source: Path,
        target: Path | None = None,
        *,
        run: Path,
        json: bool = False,
        n: int = 4,
        n_traces: int = 256,
        seed: int = 0,
        device: str = "cpu",
        force: bool = False,
        figures: Path | None = None,
        jobs: int = 1,
        qc: Path | None = None,
    ) -> None: ...

    assert faults(monkeypatch, do) == []


@table(
    ("name", "kind", "word"),
    [
        ("adapter", Path, "--run"),
        ("run_dir", Path, "--run"),
        ("as_json", bool, "--json"),
        ("n_gathers", int, "--n"),
        ("count", int, "--n"),
        ("random_state", int, "--seed"),
        ("gpu", bool, "--device"),
        ("overwrite", bool, "--force"),
        ("figure", Path, "--figures"),
        ("workers", int, "--jobs"),
    ],
)
def test_refuses_a_synonym_and_suggests_the_word(monkeypatch, name, kind, word):
    namespace: dict[str, Any] = {"kind": kind}
    exec(f"def do(*, {name}: kind | None = None) -> None: ...", namespace)
    (fault,) = faults(monkeypatch, namespace["do"])
    assert f"command 'do': {name}: the option for" in fault
    assert f"is {word}. Rename it to {word[2:]}" in fault


@table("name", ["out", "output", "target", "into"])
def test_an_output_is_positional(monkeypatch, name):
    namespace: dict[str, Any] = {"Path": Path}
    exec(f"def do(*, {name}: Path | None = None) -> None: ...", namespace)
    (fault,) = faults(monkeypatch, namespace["do"])
    assert "an output is a positional parameter, inputs first" in fault


def test_a_required_path_is_positional(monkeypatch):
    def do(noisy: Path, *, reference: Path) -> None: ...

    (fault,) = faults(monkeypatch, do)
    assert "command 'do': reference: a required path is a positional parameter" in fault


def test_refuses_a_word_with_another_meaning(monkeypatch):
    def do(*, run: str = "fast", json: Path | None = None) -> None: ...

    first, second = faults(monkeypatch, do)
    assert "run: --run is the run folder" in first
    assert "of type Path. Change its type" in first
    assert "--json is JSON on stdout, of type bool" in second


def test_the_page_on_the_architecture_explains_every_word():
    page = PAGE.read_text("utf-8")
    for word, entry in WORDS.items():
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `--{word}`")]
        assert any(f"`{name.replace('_', '-')}`" in row for name in entry.synonyms)
