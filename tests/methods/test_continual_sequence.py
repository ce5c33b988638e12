"""Recipes learned one after another on the command line: run folders, memories, scores, resume."""

import csv
import json
import math
import shutil

import pytest
import torch
from continual_models import lora, unsettle
from plain_figures import undrawn
from safetensors.torch import load_file

from scionwood import (
    AdapterError,
    RecipeError,
    Task,
    TrainingError,
    resolve,
)
from scionwood import test as measured
from scionwood.cli import main
from scionwood_methods.continual import METHODS, make_method
from scionwood_methods.continual.factors import add_frozen, fill, lora_layers, matrices, summed
from scionwood_methods.continual.methods import SampleLosses
from scionwood_methods.continual.scores import Scores

RECIPE = """
task:     {{name: toy/regress, lr: 1.0e-2}}
backbone: {{name: toy/mlp, init_seed: {init_seed}}}
adapter:  {adapter}
data:     {{name: toy/regression, n: 24, data_seed: {data_seed}}}
trainer:  {{max_steps: 3, accelerator: cpu, precision: 32-true, logger: false}}
"""
LORA = "{name: lora, r: 2, targets: blocks}"
IGSP = "{name: methods/igsp, r: 2, targets: blocks}"
ADAPTERS = {name: IGSP if name == "igsp" else LORA for name in METHODS}
OPTIONS = {"igsp": "{warm: 2}", "ace_lora_edit": "{rank: 3}"}


@pytest.fixture
def recipes(tmp_path, monkeypatch):
    """Write recipes that differ in their data, and return their relative names."""
    monkeypatch.chdir(tmp_path)
    return lambda count, adapter=LORA: written(tmp_path, count, adapter)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return a finished sequence of two tasks for a method, learned at its first use."""
    done = {}

    def learnt(method):
        if method not in done:
            done[method] = folder = tmp_path_factory.mktemp(method)
            names = [str(folder / name) for name in written(folder, 2, ADAPTERS[method])]
            with undrawn():
                assert sequence(names, str(folder / "run"), method) == 0
        return done[method]

    return learnt


@pytest.fixture
def copied(finished, tmp_path, monkeypatch):
    """Copy the finished sequence into the folder of the test, and change to it."""

    def copy(method):
        shutil.copytree(finished(method), tmp_path, dirs_exist_ok=True)
        monkeypatch.chdir(tmp_path)
        return ["survey1.yaml", "survey2.yaml"]

    return copy


def written(folder, count, adapter):
    names = [f"survey{number}.yaml" for number in range(1, count + 1)]
    for number, name in enumerate(names):
        text = RECIPE.format(adapter=adapter, data_seed=10 * number, init_seed=0)
        (folder / name).write_text(text)
    return names


def sequence(names, folder, method="naive", *more):
    options = ["--options", OPTIONS[method]] if method in OPTIONS else []
    command = ["methods", "sequence", *names, "--run", folder, "--method", method]
    return main([*command, *options, *more])


def weights(folder):
    tensors = load_file(f"{folder}/adapter/adapter_model.safetensors")
    return tensors | load_file(f"{folder}/head.safetensors")


SHORT = {"ewc", "igsp"}  # a sequence of each of the others takes long
EVERY = [
    pytest.param(name, marks=[] if name in SHORT else [pytest.mark.slow])
    for name in sorted(METHODS.keys() - {"naive"})
]


@pytest.mark.usefixtures("_undrawn")
@pytest.mark.parametrize("method", EVERY)
def test_an_interrupted_sequence_continues_exactly(method, copied, tmp_path):
    names, run = copied(method), tmp_path / "run"
    whole, written = weights(run / "2-survey2"), (run / "scores.csv").read_text()
    scores = json.loads((run / "sequence.json").read_text())
    cut = scores | {"tasks": ["survey1"], "rows": scores["rows"][:1]}
    (run / "sequence.json").write_text(json.dumps(cut))
    (run / "2-survey2" / "README.md").unlink()  # what is left of the task is begun anew
    assert sequence(names, "run", method, "--resume") == 0
    again = weights(run / "2-survey2")
    assert again.keys() == whole.keys()
    assert all(torch.equal(again[key], value) for key, value in whole.items())
    assert (run / "scores.csv").read_text() == written
    assert (run / "2-survey2" / "README.md").is_file()


def test_scores_are_printed_written_and_drawn(copied, tmp_path, capsys):
    names, run = copied("ewc"), tmp_path / "run"
    assert sequence(names, "run", "ewc", "--resume") == 0  # nothing is left to do
    said = capsys.readouterr().out
    with (run / "scores.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["test_loss", "survey1", "survey2"]
    assert [row[0] for row in rows[1:]] == ["after survey1", "after survey2"]
    assert all(cell in said for row in rows for cell in row)
    with (run / "summary.csv").open(newline="") as file:
        summary = {name: float(value) for name, value in list(csv.reader(file))[1:]}
    last = [float(cell) for cell in rows[2][1:]]
    assert summary["average"] == pytest.approx(sum(last) / 2, rel=1e-4)
    worse = last[0] - float(rows[1][1])  # of a loss, less is better
    assert summary["backward_transfer"] == pytest.approx(-worse, abs=1e-5)
    assert summary["forgetting"] == pytest.approx(worse, abs=1e-5)
    assert (run / "figures" / "scores.png").stat().st_size > 1000
    assert sequence(names, "run", "ewc", "--resume", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["tasks"], printed["run"]) == (["survey1", "survey2"], str(run))
    assert printed["forgetting"] == pytest.approx(summary["forgetting"], rel=1e-4)
    metrics = measured(run / "2-survey2", resolve("survey1.yaml"))
    assert metrics["test_loss"] == pytest.approx(last[0], rel=1e-5)


@pytest.mark.usefixtures("_undrawn")
def test_a_third_task_can_be_added_later(copied, recipes, tmp_path):
    copied("ewc")
    assert sequence(recipes(3), "run", "ewc", "--resume") == 0
    with (tmp_path / "run" / "scores.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert [len(row) for row in rows] == [4] * 4
    assert all(math.isfinite(float(cell)) for row in rows[1:] for cell in row[1:])


@pytest.mark.usefixtures("_undrawn")
def test_score_and_overrides_can_be_chosen(recipes, tmp_path, capsys):
    names = recipes(2)
    few = ["--override", "[task.lr=3e-4, trainer.max_steps=1]"]
    assert sequence(names, "run", "naive", *few, "--score", "worst", "--better", "lower") == 0
    assert (tmp_path / "run/scores.csv").read_text().startswith("test_worst,")
    for number in (1, 2):
        recipe = resolve(tmp_path / "run" / f"{number}-survey{number}" / "recipe.yaml")
        assert recipe.task.options["lr"] == 3e-4
        assert recipe.kernels == "off"
    assert sequence(names, "other", "naive", "--score", "worst") == 2
    assert sequence(names, "third", "naive", "--score", "beauty", "--better", "higher") == 2
    said = capsys.readouterr().err
    assert "Add --better" in said
    assert "its test measures test_loss" in said


def test_refuses_recipes_that_do_not_form_a_sequence(recipes, tmp_path, capsys):
    names = recipes(2)
    for name, adapter, seed in (("base", LORA, 1), ("rank", LORA.replace("2", "3"), 0)):
        text = RECIPE.format(adapter=adapter, data_seed=0, init_seed=seed)
        (tmp_path / f"{name}.yaml").write_text(text)
    for chosen, rule in (
        (names[:1], "at least two tasks"),
        ([names[0], names[0]], "with different names"),
        ([names[0], "base.yaml"], "base: backbone: it differs from that of survey1"),
        ([names[0], "rank.yaml"], "rank: adapter: it differs from that of survey1"),
    ):
        assert sequence(chosen, "run") == 2
        assert rule in capsys.readouterr().err
    assert sequence(recipes(2, "{name: frozen}"), "run") == 2
    assert "frozen is a baseline" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    assert sequence(recipes(2, IGSP), "run", "ace_lora_edit") == 2
    assert "must be a LoRA adapter of peft" in capsys.readouterr().err


def test_folders_are_neither_overwritten_nor_mixed(copied, capsys):
    names = copied("ewc")
    assert sequence(names, "run", "ewc") == 2
    assert "--resume" in capsys.readouterr().err
    assert sequence(names, "run", "naive", "--resume") == 2
    assert "learned by ewc" in capsys.readouterr().err
    assert sequence(names[::-1], "run", "ewc", "--resume") == 2
    assert "it began with survey1, survey2" in capsys.readouterr().err
    assert main(["methods", "sequence", *names, "--resume"]) == 2
    assert "Add --run FOLDER" in capsys.readouterr().err


def test_refuses_a_consistency_term_for_a_task_without_pairs(recipes, tmp_path, capsys):
    assert sequence(recipes(2), "run", "ewc", "--options", "{gamma: 1}") == 2
    said = capsys.readouterr().err
    assert "recipe survey1: task: toy/regress has no pairs of features" in said
    assert "Set gamma to 0" in said
    assert not (tmp_path / "run").exists()
    assert sequence(recipes(2), "run", "ewc", "--options", "{gamma: much}") == 2
    assert "{'gamma': 'much'}: an option has a wrong type" in capsys.readouterr().err


def test_every_method_is_created_by_its_name():
    for name in METHODS:
        assert make_method(name, {}, SampleLosses()).name == name
    assert make_method("ewc", {"strength": 3.0}, SampleLosses()).strength == 3.0
    with pytest.raises(RecipeError, match="Known: naive, ewc"):
        make_method("si", {}, SampleLosses())
    with pytest.raises(RecipeError, match="option 'strenght'"):
        make_method("ewc", {"strenght": 3.0}, SampleLosses())
    with pytest.raises(RecipeError, match="option 'adapter'"):
        make_method("ewc", {"adapter": "other"}, SampleLosses())
    with pytest.raises(AdapterError, match="needs the features of pairs"):
        make_method("ewc", {"gamma": 1.0}, SampleLosses())
    with pytest.raises(AdapterError, match="strength=-1"):
        make_method("ewc", {"strength": -1.0}, SampleLosses())


def test_loss_of_a_batch_is_split_into_samples(recipes):
    recipe = resolve(recipes(1)[0])
    losses, backbone = SampleLosses(), recipe.backbone.build()
    losses.task = recipe.task.build(backbone)
    batch = next(iter(recipe.data.build().val_dataloader()))
    values = losses(backbone, batch)
    torch.testing.assert_close(values, (backbone(batch[0]) - batch[1]).square()[:, 0])


def test_a_batch_that_cannot_be_split_is_refused():
    class Pairs(Task):
        def losses(self, batch):
            return {"loss": self.backbone(batch).mean()}

        def batch_size(self, batch):
            return len(batch) // 2

    losses, backbone = SampleLosses(), torch.nn.Linear(2, 1)
    losses.task = Pairs(backbone)
    assert len(losses(backbone, torch.ones(2, 2))) == 1
    with pytest.raises(TrainingError, match="do not part the 3 samples"):
        losses(backbone, torch.ones(6, 2))


def test_several_adapters_are_summed_temporarily():
    model = unsettle(lora())
    for name, rank in (("one", None), ("two", 5)):
        add_frozen(model, name, "default", rank)
        for layer in lora_layers(model, name).values():
            fill(layer, name, *(torch.randn_like(value) for value in matrices(layer, name)))
    add_frozen(model, "idle", "default")
    x = torch.randn(6, 16)
    before, trained = model(x), [p for p in model.parameters() if p.requires_grad]
    with summed(model) as name:
        ranks = {len(matrices(layer, name)[1]) for layer in lora_layers(model, name).values()}
        active = list(model.active_adapters)
        model.base_model.set_adapter([name])
        torch.testing.assert_close(model(x), before, atol=1e-5, rtol=1e-5)
        model.base_model.set_adapter(active)
    assert ranks == {3 + 3 + 5}
    assert list(model.peft_config) == ["default", "one", "two", "idle"]
    assert torch.equal(model(x), before)
    assert [p for p in model.parameters() if p.requires_grad] == trained
    with summed(lora()) as name:
        assert name == "default"  # one adapter is its own sum


def test_refuses_a_damaged_record(recipes, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "sequence.json").write_text("{")
    assert sequence(recipes(2), "run", "naive", "--resume") == 2
    assert "not a record of a sequence" in capsys.readouterr().err


@pytest.mark.parametrize("higher", [True, False])
def test_forgetting_is_positive_if_a_task_became_worse(higher):
    rows = [[0.9, 0.1], [0.6, 0.8]] if higher else [[0.1, 0.9], [0.4, 0.2]]
    scores = Scores("naive", {}, "test_x", higher, ["a", "b"], rows)
    summary = scores.summary()
    assert summary["average"] == pytest.approx(sum(rows[-1]) / 2)
    assert summary["forgetting"] == pytest.approx(0.3)
    assert summary["backward_transfer"] == pytest.approx(-0.3)
