"""The run that the plugin ships: the default in both interfaces, its score, and its exports."""

from __future__ import annotations

import json
import re

import pytest
import torch

from scionwood import RecipeError, find_run, load_run
from scionwood.authoring import read_origin
from scionwood.cli import main
from scionwood.runs import reference
from scionwood_bangla import GenerateOptions, generate, ship
from scionwood_bangla.inference import SHIPPED, load_writer
from scionwood_export import export_run

PROMPT = "বন্ধুকে চিঠি লেখো।"


def numbers(score: str) -> list[float]:
    return [float(number) for number in re.findall(r"\d\.\d+", score)]


def test_generate_works_without_training_and_records_which_run_it_uses(monkeypatch, capsys):
    words = ["bangla", "generate", PROMPT, "--register", "apni", "--json"]
    monkeypatch.setattr(reference, "_announced", set())
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


def test_a_named_model_writes_without_the_shipped_run(capsys):
    shipped, by_name, model = (
        generate([PROMPT], GenerateOptions(run=run, model=model, max_new_tokens=8))
        for run, model in ((None, None), (SHIPPED, None), (None, "tiny"))
    )
    assert shipped == by_name != model
    assert not hasattr(load_writer(GenerateOptions(model="tiny")).model, "disable_adapter")
    capsys.readouterr()
    options = ["--model", "tiny", "--max-new-tokens", "8", "--json"]
    assert main(["bangla", "generate", PROMPT, *options]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["text"], record["run"]) == (model[0].text, None)


@pytest.mark.slow
def test_the_shipped_run_has_the_score_that_it_states():
    folder = find_run(SHIPPED, quiet=True)
    origin = read_origin(folder)
    assert origin is not None
    ours, base, constant = numbers(origin.score)
    assert ours >= 0.80
    assert ours > constant
    assert base <= 0.20
    assert ship.register_match(folder) == pytest.approx([ours, base, constant], abs=0.04)


def test_a_level_that_is_unknown_is_refused():
    with pytest.raises(RecipeError, match="not a level"):
        generate([PROMPT], GenerateOptions(register="vous"))


def test_what_is_exported_gives_the_logits_of_the_run():
    task = load_run(SHIPPED)
    tokens = torch.randint(100, (3, 40), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = task.backbone(input_ids=tokens, use_cache=False).logits
        torch.testing.assert_close(task.deploy().module(tokens), expected)


@pytest.mark.slow
def test_one_file_serves_texts_of_any_length(tmp_path):
    assert export_run(SHIPPED, tmp_path / "lm.pt2").reached <= 1e-5
    model, whole = torch.export.load(tmp_path / "lm.pt2").module(), load_run(SHIPPED).backbone
    for shape in ((1, 5), (3, 40)):
        tokens = torch.randint(100, shape, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            given, expected = model(tokens), whole(input_ids=tokens, use_cache=False).logits
        assert (given - expected).abs().max() <= 1e-5 * expected.abs().max()
