"""Data chosen by the strong heads: the change in them alone, known useful examples, resuming."""

from __future__ import annotations

import json
import shutil

import lightning as L
import pytest
import torch
import torch.nn as nn
from attention_model import Attentive, numbers
from peft import get_peft_model
from plain_figures import undrawn

from scionwood import (
    AdapterError,
    OutputExistsError,
    ReadError,
    RecipeError,
    TrainingError,
    resolve,
)
from scionwood.authoring import TrainingSubset
from scionwood.cli import main
from scionwood_methods import ProxyRun, select_examples
from scionwood_methods.p2d_heads.scores import score_heads
from scionwood_methods.peft import HeadSliceConfig
from scionwood_methods.selection.losses import Judge, read_losses
from scionwood_methods.selection.strong import projections, strong_change

QUICK = ProxyRun(examples=16, steps=12, lr=0.01, share=0.25)
NAMES = {f"layers.{n}.{p}_proj" for n in (0, 1) for p in "qkvo"}


def attentive():
    torch.manual_seed(1)
    model = Attentive().eval()
    for layer in model.layers:
        layer.num_heads = 4
    return model


def proxied():
    """Return a model whose proxy run has moved every weight of its projections."""
    config = HeadSliceConfig(target_modules=projections(attentive()))
    model = get_peft_model(attentive(), config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.normal_(std=0.3)
    return model


def delta(model, name):
    return model.base_model.model.get_submodule(name).get_delta_weight("default")


def test_the_targets_and_head_counts_are_read_from_the_attention_blocks():
    model = proxied()
    adapted = {n for n in NAMES if hasattr(model.base_model.model.get_submodule(n), "base_layer")}
    assert adapted == NAMES
    assert not hasattr(model.base_model.model.readout["q_proj"], "base_layer")
    stated, read = score_heads(model, num_heads=4, num_kv_heads=2), score_heads(model)
    assert all(torch.equal(stated[block], read[block]) for block in ("layers.0", "layers.1"))
    with pytest.raises(AdapterError, match="no attention"):
        projections(nn.Sequential(nn.Linear(4, 4)))


def test_only_the_strong_heads_keep_their_change():
    """Heads have 3 features; head 3 uses the head 1 of k and v."""
    model, x = proxied(), numbers()
    whole = {name: delta(model, name).clone() for name in NAMES}
    before = model(x)
    with strong_change(model, {"layers.1": [3]}) as switch:
        switch(False)
        assert torch.equal(model(x), attentive()(x))
        switch(True)
        assert not any(delta(model, name).any() for name in NAMES if "layers.0" in name)
        for part, axis, features in (("q", 0, 9), ("k", 0, 3), ("v", 0, 3), ("o", 1, 9)):
            name = f"layers.1.{part}_proj"
            kept, own = (m.movedim(axis, 0) for m in (delta(model, name), whole[name]))
            assert torch.equal(kept[features:], own[features:])
            assert not kept[:features].any()
        assert not torch.equal(model(x), attentive()(x))
    assert torch.equal(model(x), before)


def write_conversations(path):
    """Write 40 conversations; the even ones follow a rule, the odd ones have random answers."""
    letters = torch.randint(97, 123, (40, 6), generator=torch.Generator().manual_seed(0)).tolist()
    with path.open("w") as file:
        for n, word in enumerate(letters):
            answer = "yes" if n % 2 == 0 else "".join(map(chr, word))
            row = {"prompt": f"number {n}", "completion": answer, "topic": str(n)}
            file.write(json.dumps(row) + "\n")
    return path


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    pytest.importorskip("scionwood_language")
    source = write_conversations(tmp_path_factory.mktemp("data") / "talks.jsonl")
    changes = {"data.source": str(source), "data.packing": False, "task.max_new_tokens": 0}
    return resolve("language/sft", changes)


@pytest.fixture(scope="module")
def made(recipe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("chosen") / "list"
    with undrawn():
        return select_examples(recipe, folder, budget=0.25, proxy=QUICK)


def follows_the_rule(recipe, index):
    messages, _ = recipe.data.build().items("train")[index]
    return messages[-1]["content"] == "yes"


class Dropping(nn.Module):
    """A task whose loss is the sum of an example after dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.5)
        self.trainer = L.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)

    def losses(self, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"loss": self.dropout(batch).sum()}


def test_the_loss_of_an_example_is_that_of_evaluation_mode():
    judge = Judge(Dropping().train(), [torch.ones(64)], lambda some: some[0], seed=0)
    assert judge(0) == 64


def test_examples_of_the_common_rule_are_chosen(recipe, made):
    assert made.length == 32
    assert len(made.chosen) == 8
    assert all(follows_the_rule(recipe, index) for index in made.chosen)
    assert sum(map(len, made.heads.values())) == round(QUICK.share * 8)


def test_the_list_trains_and_the_record_tells_how_it_was_made(recipe, made):
    assert TrainingSubset.read(made.folder).chosen == tuple(made.chosen)
    data = resolve("language/sft", [f"data.subset={made.folder}"], smoke=True)
    with pytest.raises(TrainingError, match="these data have"):
        data.data.build().train_dataloader()
    record = json.loads((made.folder / "select.json").read_text())
    assert (record["chosen"], record["budget"], record["by"]) == (8, 0.25, "heads")
    assert record["heads"] == made.heads
    lines = (made.folder / "scores.csv").read_text().splitlines()
    assert len(lines) == 33
    best = next(line for line in lines if line.endswith(",1"))
    assert int(best.split(",")[0]) == made.chosen[0]


def test_an_interrupted_choice_goes_on_and_ends_alike(recipe, made, tmp_path):
    folder = shutil.copytree(made.folder, tmp_path / "a")
    losses = folder / "losses.csv"
    whole = losses.read_text()
    losses.write_text(whole[: len(whole) // 2])
    (folder / "subset.json").unlink()
    again = select_examples(recipe, folder, budget=0.25, proxy=QUICK, resume=True)
    assert again.chosen == made.chosen
    assert losses.read_text() == whole


def test_another_rule_needs_no_new_losses(recipe, made, tmp_path):
    folder = shutil.copytree(made.folder, tmp_path / "a")
    lost = [each.with_heads for each in made.losses]
    options = {"proxy": QUICK, "resume": True}
    highest = select_examples(recipe, folder, by="highest-loss", **options)
    lowest = select_examples(recipe, folder, by="lowest-loss", **options)
    assert lost[highest.chosen[0]] == max(lost)
    assert lost[lowest.chosen[0]] == min(lost)
    assert TrainingSubset.read(folder).chosen == tuple(lowest.chosen)
    with pytest.raises(TrainingError, match="begun with another seed"):
        select_examples(recipe, folder, seed=4, **options)


def test_chance_needs_no_training_and_follows_the_seed(recipe, tmp_path):
    folders = [tmp_path / name for name in "abc"]
    seeds = (1, 1, 2)
    one, same, other = (
        select_examples(recipe, f, by="random", seed=s) for f, s in zip(folders, seeds, strict=True)
    )
    assert one.chosen == same.chosen != other.chosen
    assert not (tmp_path / "a" / "proxy").exists()
    assert one.losses == []
    with pytest.raises(OutputExistsError, match="not empty"):
        select_examples(recipe, tmp_path / "a", by="random")
    select_examples(recipe, tmp_path / "a", by="random", force=True)


def test_files_of_the_user_are_not_replaced(recipe, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(OutputExistsError):
        select_examples(recipe, tmp_path, by="random", force=True)


def test_budgets_out_of_range_and_a_recipe_with_a_list_are_refused(recipe, tmp_path):
    for budget in (0, 1, -0.1, float("nan")):
        with pytest.raises(RecipeError, match="above 0 and below 1"):
            select_examples(recipe, tmp_path / "a", budget=budget)
    with pytest.raises(RecipeError, match="all training examples"):
        select_examples("language/sft", tmp_path / "a", override=["data.subset=chosen"], smoke=True)


def test_what_has_no_trained_heads_is_refused_with_the_remedy(tmp_path):
    pytest.importorskip("scionwood_pde")
    with pytest.raises(AdapterError, match=r"no attention .*: --by random"):
        select_examples("pde/autoencode", tmp_path / "a", smoke=True)
    with pytest.raises(AdapterError, match=r"language/unir, dead targets .*: --by random"):
        select_examples("language/unir", tmp_path / "c", smoke=True)
    assert len(select_examples("language/unir", tmp_path / "b", by="random", smoke=True).chosen)


@pytest.mark.parametrize("text", ["index,without,with\n0,1\n", "index,without,with\n1,1,1\n"])
def test_damaged_losses_are_refused(tmp_path, text):
    file = tmp_path / "losses.csv"
    file.write_text(text)
    with pytest.raises(ReadError, match=r"losses\.csv"):
        read_losses(file, 4)


def test_the_command_prints_what_to_do_next(recipe, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(recipe.dump())
    assert main(["methods", "select", "small.yaml", "list", "--by", "random"]) == 0
    out = capsys.readouterr().out
    assert "chosen" in out
    assert out.splitlines()[-1] == "scionwood fit small.yaml --data.subset list"
    again = ["methods", "select", "small.yaml", "list", "--by", "random", "--force", "--json"]
    assert main(again) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["chosen"] == str(len(record["indices"]))
