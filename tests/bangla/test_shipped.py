"""The run that the plugin ships: it is the default, and it has the score that it states."""

from __future__ import annotations

import json
import re

import pytest

from scionwood import find_run
from scionwood.authoring import read_origin
from scionwood.cli import main
from scionwood.runs import reference
from scionwood_bangla import GenerateOptions, WriterOptions, generate, ship
from scionwood_bangla.inference import SHIPPED, load_writer

PROMPT = "বন্ধুকে চিঠি লেখো।"


def numbers(score: str) -> list[float]:
    return [float(number) for number in re.findall(r"\d\.\d+", score)]


def test_generate_works_without_training_and_records_which_run_it_uses(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["bangla", "generate", PROMPT, "--register", "apni", "--json"]
    monkeypatch.setattr(reference, "_told", set())
    assert main(words) == 0
    assert main(words) == 0
    said = capsys.readouterr()
    origin = read_origin(ship.TARGET)
    assert origin is not None
    assert said.err == f"using {origin}\n"
    record = json.loads(said.out[: len(said.out) // 2])
    assert (record["run"], record["digest"]) == (str(origin), origin.digest)
    assert record["levels"] == ["apni"]
    assert not record["faults"]


def test_a_named_model_writes_without_the_shipped_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shipped, by_name, model = (
        generate([PROMPT], GenerateOptions(run=run, model=model, max_new_tokens=8))
        for run, model in ((None, None), (SHIPPED, None), (None, "tiny"))
    )
    assert shipped == by_name != model
    assert not hasattr(load_writer(WriterOptions(model="tiny")).model, "disable_adapter")
    capsys.readouterr()
    options = ["--model", "tiny", "--max-new-tokens", "8", "--json"]
    assert main(["bangla", "generate", PROMPT, *options]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["text"], record["run"]) == (model[0].text, None)


def test_evaluate_does_not_write_into_a_shipped_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bangla", "evaluate", "--run", SHIPPED, "--n", "0"]) == 2
    assert "a shipped or pulled run is not changed" in capsys.readouterr().err


def test_the_shipped_run_has_the_score_that_it_states() -> None:
    folder = find_run(SHIPPED, quiet=True)
    origin = read_origin(folder)
    assert origin is not None
    ours, base, constant = numbers(origin.score)
    assert ours > max(base, constant)
    assert ship.register_match(folder) == pytest.approx([ours, base, constant], abs=0.04)
