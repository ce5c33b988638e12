"""The run that the plugin ships: it is the default, and it can be trained again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from scionwood import find_run
from scionwood.authoring import read_origin, weights_digest
from scionwood.cli import main
from scionwood_bangla import GenerateOptions, WriterOptions, generate, ship
from scionwood_bangla.inference import SHIPPED, load_writer

PROMPT = "বন্ধুকে চিঠি লেখো।"
GENERATE = """
import contextlib, sys
from scionwood.cli import main
with contextlib.redirect_stderr(open("said.txt", "w")), open("record.json", "w") as record:
    for _ in range(2):
        record.seek(0)
        with contextlib.redirect_stdout(record):
            assert main(["bangla", "generate", *sys.argv[1:], "--json"]) == 0
"""
REFUSED = (
    "bangla check nope -> nope: there is no such file",
    "bangla score nope -> nope: there is no such file",
    "bangla tokenizers a --text nope -> nope: there is no such file",
    "bangla generate a --peft nope -> nope: there is no such file",
    "bangla generate a --run nope -> run nope: there is no such folder",
    "bangla evaluate --run bangla/register -> Did you mean 'register_tiny'",
    "bangla evaluate --run bangla/register_tiny --data nope.csv -> nope.csv: there is no such file",
    "bangla prefer there -> there: it exists already",
    "bangla prefer new --data nope.csv -> nope.csv: there is no such file",
    "bangla merge new --run nope -> run nope: there is no such folder",
)


def numbers(score: str) -> list[float]:
    return [float(number) for number in re.findall(r"\d\.\d+", score)]


def test_generate_works_without_training_and_records_which_run_it_uses(
    python: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    python("-c", GENERATE, PROMPT, "--register", "apni")
    origin = read_origin(ship.TARGET)
    assert origin is not None
    assert (tmp_path / "said.txt").read_text("utf-8") == f"using {origin}\n"
    record = json.loads((tmp_path / "record.json").read_text("utf-8"))
    assert (record["run"], record["digest"]) == (str(origin), origin.digest)
    assert record["levels"] == ["apni"]
    assert not record["faults"]


def test_wrong_paths_and_runs_are_refused_before_torch_is_imported(
    refused_without_torch: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").write_text("a file")
    refused_without_torch(*REFUSED)
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


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


def test_the_shipped_run_has_the_score_and_the_digest_that_it_states() -> None:
    folder = find_run(SHIPPED, quiet=True)
    origin = read_origin(folder)
    assert origin is not None
    assert weights_digest(folder) == origin.digest
    ours, base, constant = numbers(origin.score)
    assert ours > max(base, constant)
    assert ship.register_match(folder) == pytest.approx([ours, base, constant], abs=0.04)


def test_the_shipped_run_names_no_place_of_the_machine_that_trained_it() -> None:
    texts = [path for path in ship.TARGET.rglob("*") if path.suffix in {".json", ".yaml", ".md"}]
    assert len(texts) > 4
    for path in texts:
        assert not re.search(r"/(tmp|home|work|root)/", path.read_text("utf-8")), path
    size = sum(path.stat().st_size for path in ship.TARGET.rglob("*") if path.is_file())
    assert size < 5e5


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_training_again_gives_the_shipped_run(tmp_path: Path) -> None:
    made, shipped = ship.train(tmp_path / "register_tiny"), read_origin(ship.TARGET)
    assert shipped is not None
    if made.machine == shipped.machine:
        assert made.digest == shipped.digest
    assert numbers(made.score) == pytest.approx(numbers(shipped.score), abs=0.1)
