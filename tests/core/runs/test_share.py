"""A run is pushed and pulled through a hub on this machine."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from peft import PeftModel

import scionwood
from scionwood.adapters import load_head
from scionwood.cli import main, runs
from scionwood.cli.command import parse_command
from scionwood.errors import OutputExistsError, ReadError, TrainingError, WriteError
from scionwood.runs.cache import all_cached, cache_folder, workshop
from scionwood.runs.manifest import write_manifest
from scionwood.runs.origin import read_origin
from scionwood.runs.reference import find_run
from scionwood.runs.run import Run
from scionwood_share.publish import push

from .conftest import NAME
from .hub import Repository

X = torch.linspace(-1, 1, 32).reshape(4, 8)


def outputs(run: Path | str) -> torch.Tensor:
    return scionwood.load_run(run).backbone(X)


def test_a_repository_is_a_plain_peft_repository_and_holds_no_checkpoint(shared, toy_run):
    names = set(shared.latest(NAME))
    assert {"adapter_config.json", "adapter_model.safetensors", "scionwood.json"} <= names
    assert {"head.safetensors", "recipe.yaml", "README.md", "metrics.csv", "origin.json"} <= names
    assert any(name.startswith("figures/") for name in names)
    assert {Path(name).suffix for name in names} <= {
        ".json", ".safetensors", ".yaml", ".md", ".csv", ".png",
    }  # fmt: skip
    assert list(toy_run.rglob("*.ckpt"))  # the run itself has some
    assert shared.repositories[NAME].private


def test_a_pulled_run_computes_what_the_run_computes(shared, toy_run, tmp_path, capsys):
    assert main(["pull", f"hf:{NAME}", "--to", str(tmp_path / "theirs")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "theirs")
    assert torch.equal(outputs(tmp_path / "theirs"), outputs(toy_run))
    commit = shared.repositories[NAME].commits[-1][0]
    assert f"using hf:{NAME} {commit[:12]}" in capsys.readouterr().err
    with (tmp_path / "theirs" / "metrics.csv").open(newline="") as file:
        assert any(row["val_loss"] for row in csv.DictReader(file))
    origin = read_origin(tmp_path / "theirs")
    assert (origin.version, origin.digest) == (commit, scionwood.authoring.weights_digest(toy_run))


def test_a_pulled_run_needs_no_network(shared, monkeypatch):
    first = outputs(f"hf:{NAME}")
    asked = len(shared.requests)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert torch.equal(outputs(f"hf:{NAME}"), first)
    commit = shared.repositories[NAME].commits[-1][0]
    assert scionwood.find_run(f"hf:{NAME}@{commit}") == scionwood.find_run(f"hf:{NAME}")
    assert len(shared.requests) == asked
    with pytest.raises(ReadError, match="which HF_HUB_OFFLINE forbids"):
        scionwood.find_run("hf:tester/other")
    with pytest.raises(ReadError, match="which HF_HUB_OFFLINE forbids"):
        scionwood.pull(f"hf:{NAME}")


def test_a_branch_moves_with_a_pull_and_a_tag_stays(shared):
    repository = shared.repositories[NAME]
    repository.tags["v1"] = repository.commits[-1][0]
    old = scionwood.pull(f"hf:{NAME}")
    shared.replace(NAME, **{"README.md": b"# newer\n"})
    assert scionwood.find_run(f"hf:{NAME}") == old
    new = scionwood.pull(f"hf:{NAME}")
    assert (new / "README.md").read_text() == "# newer\n"
    assert scionwood.find_run(f"hf:{NAME}") == new
    assert scionwood.find_run(f"hf:{NAME}@v1") == old
    assert len(all_cached()) == 2


def test_peft_opens_the_repository_without_the_head(shared, toy_run, tmp_path):
    for name, data in shared.latest(NAME).items():
        path = tmp_path / "repository" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    backbone = scionwood.resolve("toy/regress").backbone.build()
    plain = PeftModel.from_pretrained(backbone, str(tmp_path / "repository")).eval()
    ours = scionwood.load_run(toy_run).backbone
    assert not torch.allclose(plain(X), ours(X))
    load_head(plain, tmp_path / "repository" / "head.safetensors")
    assert torch.allclose(plain(X), ours(X))


def test_the_card_says_how_to_use_the_run_and_what_peft_leaves_out(shared, toy_run, tmp_path):
    card = shared.latest(NAME)["README.md"].decode()
    assert card.startswith("---\nlibrary_name: peft\n")
    assert f'scionwood.load_run("hf:{NAME}")' in card
    assert len(re.findall(r"does not load\s+the head", card)) == 1
    push(f"hf:{NAME}", "tester/again")
    again = shared.latest("tester/again")["README.md"].decode()
    assert again == card.replace(NAME, "tester/again")


def test_a_second_push_replaces_the_run_only_with_force(shared, toy_run, capsys):
    repository = shared.repositories[NAME]
    shared.replace(NAME, **{"figures/old.png": b"", "notes.txt": b"mine"})
    with pytest.raises(OutputExistsError, match="--force"):
        push(toy_run, NAME)
    assert main(["push", str(toy_run), NAME, "--force"]) == 0
    assert capsys.readouterr().out == f"hf:{NAME}@{repository.commits[-1][0]}\n"
    assert "figures/old.png" not in shared.latest(NAME)
    assert shared.latest(NAME)["notes.txt"] == b"mine"


def test_a_push_is_public_only_if_asked(hub, toy_run):
    push(toy_run, "tester/open", public=True)
    assert not hub.repositories["tester/open"].private
    hub.repositories["tester/empty"] = Repository(private=False)
    with pytest.raises(WriteError, match="exists and is public"):
        push(toy_run, "tester/empty")
    assert not hub.repositories["tester/empty"].commits
    with pytest.raises(TrainingError, match="owner/name on the hub"):
        push(toy_run, "toy")


def test_a_push_without_a_token_is_refused(hub, toy_run, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(WriteError, match="needs an access token"):
        push(toy_run, NAME)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(WriteError, match=r"refuses the access token \(answer 401\)"):
        push(toy_run, NAME)
    assert not hub.repositories


def test_runs_lists_what_is_shipped_pulled_and_local(
    shared, toy_run, tmp_path, monkeypatch, capsys
):
    with monkeypatch.context() as patch:
        patch.chdir(tmp_path)
        patch.setattr(runs, "all_shipped", dict)
        assert main(["runs"]) == 0
    assert "Train one: scionwood fit" in capsys.readouterr().out
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "mine").symlink_to(toy_run)
    monkeypatch.chdir(tmp_path)
    scionwood.pull(f"hf:{NAME}")
    assert main(["runs", "--json"]) == 0
    known = {run["kind"]: run for run in json.loads(capsys.readouterr().out)}
    commit = shared.repositories[NAME].commits[-1][0]
    assert known["pulled"]["reference"] == f"hf:{NAME}@{commit}"
    assert scionwood.find_run(known["pulled"]["reference"]) == Path(known["pulled"]["folder"])
    assert known["local"]["reference"] == "runs/mine"
    assert main(["runs"]) == 0
    table = capsys.readouterr().out
    assert f"hf:{NAME}@{commit}" in table
    assert "runs/mine" in table


def test_scope_and_score_come_from_the_card(shared, toy_run):
    card = b"""---
model-index:
- name: toy
  results:
  - task: {type: regression}
    dataset: {type: rows, name: "random\\e[31m rows"}
    metrics: [{type: val_loss, name: val_loss, value: 0.123456}]
---
# toy
"""
    origin = json.loads(shared.latest(NAME)["origin.json"]) | {"scope": "", "score": ""}
    files = {"README.md": card, "origin.json": json.dumps(origin).encode()}
    shared.replace(NAME, **files)
    origin = read_origin(scionwood.pull(f"hf:{NAME}"))
    assert (origin.scope, origin.score) == ("random[31m rows", "val_loss 0.1235")


def test_a_command_takes_any_reference(shared, archive):
    def command(*, run: scionwood.authoring.RunPath = "toy/regress") -> None:
        """Use a run."""

    for reference in (f"hf:{NAME}", archive()):
        (run,) = parse_command(command, "toy", ["--run", reference]).values()
        assert run == scionwood.find_run(reference)


def test_a_pull_imports_no_torch(shared, python):
    code = f"import sys, scionwood; print(scionwood.pull('hf:{NAME}'), 'torch' in sys.modules)"
    assert python("-c", code).split() == [str(scionwood.find_run(f"hf:{NAME}")), "False"]


def test_a_download_that_another_process_removes_is_no_error(hub, monkeypatch):
    gone = cache_folder() / "downloads" / "gone"
    gone.mkdir(parents=True)
    listed = Path.iterdir

    def iterdir(folder: Path) -> list[Path]:
        paths = list(listed(folder))
        shutil.rmtree(gone, ignore_errors=True)  # as the other process does now
        return paths

    monkeypatch.setattr(Path, "iterdir", iterdir)
    with workshop() as place:
        assert place.is_dir()


def test_two_processes_pull_at_once(shared, toy_run):
    code = f"import scionwood; print(scionwood.pull('hf:{NAME}'))"
    pair = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert len({process.communicate()[0] for process in pair}) == 1
    assert [process.returncode for process in pair] == [0, 0]
    assert torch.equal(outputs(f"hf:{NAME}"), outputs(toy_run))


@pytest.mark.slow
def test_plain_peft_opens_the_repository_by_its_name(shared, python):
    code = """
import sys, torch, scionwood
from peft import PeftModel
base = scionwood.resolve("toy/regress").backbone.build()
plain = PeftModel.from_pretrained(base, sys.argv[1]).eval()
x = torch.ones(2, 8)
print(torch.allclose(plain(x), scionwood.load_run(f"hf:{sys.argv[1]}").backbone(x)))
"""
    assert python("-c", code, NAME).split()[-1] == "False"


def test_json_files_that_a_field_keeps_in_a_run_are_shared(hub, toy_run, tmp_path):
    """As `normaliser.json` of pde, without which its runs cannot be applied."""
    run = tmp_path / "run"
    shutil.copytree(toy_run, run)
    (run / "normaliser.json").write_text('{"mean": [0.5]}')
    write_manifest(run)
    (run / "Secret.json").write_text("{}")
    push(run, "tester/notes")
    copy = find_run("hf:tester/notes")
    assert (copy / "normaliser.json").read_text() == '{"mean": [0.5]}'
    assert not (copy / "Secret.json").exists()


def test_a_run_shows_its_recipe_and_its_score_and_escapes_texts(toy_run, tmp_path):
    run = Run(toy_run)
    assert repr(run).startswith(f"Run('{toy_run.as_posix()}': toy/regress")
    assert "val_" in repr(run)
    assert ">toy/regress</td>" in run._repr_html_()
    assert repr(run / "adapter") == f"Run('{(toy_run / 'adapter').as_posix()}')"
    page = Run(shutil.copytree(toy_run, tmp_path / "<b>"))._repr_html_()
    assert "<b>" not in page
    assert "&lt;b&gt;" in page
