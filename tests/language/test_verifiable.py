"""The toy task with verified rewards: its models, its data and its recipe."""

import csv
import json

import pytest
import torch
from case_table import table
from safetensors.torch import load_file
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from scionwood import AdapterError, RecipeError, WeightsError, fit, load_run, resolve
from scionwood_language.verifiable.backbone import unir
from scionwood_language.verifiable.prompts import DigitStrings, answer, strings
from scionwood_language.verifiable.task import exact
from scionwood_language.verifiable.tiny import (
    BASE,
    CHARACTERS,
    REASONER,
    encode,
    tiny_base,
    tiny_model,
)

LORA = ["backbone.trains=adapter", "adapter={name: lora, r: 8, targets: all-linear}"]
CPU = "trainer.accelerator=cpu"


def text(row):
    return "".join(CHARACTERS[token] for token in row)


@table("order", ["ascending", "descending", "copy"])
def test_batches_hold_prompts_and_their_answers(order):
    batch = next(iter(DigitStrings(order=order, length=4, batch_size=5).train_dataloader()))
    assert batch["prompt"].shape == batch["answer"].shape == (5, 5)
    for prompt, right in zip(batch["prompt"], batch["answer"], strict=True):
        asked = text(prompt)
        assert asked.endswith("=")
        assert text(right) == answer(asked[:-1], order) + "."


def test_splits_and_pretraining_are_disjoint():
    data = DigitStrings(length=3, n_train=300, n_val=100, n_test=100)
    loaders = (data.train_dataloader(), data.val_dataloader(), data.test_dataloader())
    splits = [{text(row)[:-1] for batch in loader for row in batch["prompt"]} for loader in loaders]
    assert [len(each) for each in splits] == [300, 100, 100]
    assert len(set.union(*splits)) == 500
    seen = strings(3, pretraining=True)
    assert not set.union(*splits) & set(seen)
    assert len({*seen, *strings(3, pretraining=False)}) == 1000


def test_refuses_impossible_data():
    with pytest.raises(RecipeError, match="length: 7"):
        DigitStrings(length=7)
    with pytest.raises(RecipeError, match="there are only 50 strings of 2 digits"):
        DigitStrings(length=2, n_train=60)
    with pytest.raises(WeightsError, match=r"tokenizer '\./nowhere'"):
        DigitStrings(tokenizer="./nowhere").train_dataloader()


def test_only_complete_answers_are_rewarded():
    right = torch.tensor([encode("123."), encode("123."), encode("123."), encode("1.23")])
    made = torch.tensor([encode("123."), encode("132."), encode("12.."), encode("1.22")])
    assert exact(made, right).tolist() == [1, 0, 0, 0]
    assert exact(made[:, :2], right).tolist() == [0, 0, 0, 0]


def test_backbones_can_be_loaded_from_folders(tmp_path):
    models = tiny_model(BASE, 1), tiny_model(REASONER, 2)
    for name, model in zip(("base", "reasoner"), models, strict=True):
        model.save_pretrained(tmp_path / name)
    folders = {"base": str(tmp_path / "base"), "reasoner": str(tmp_path / "reasoner")}
    backbone = unir(**folders, weight=0.5)
    (x,) = backbone.example_input()
    expected = models[0](x).logits + 0.5 * models[1](x).logits
    torch.testing.assert_close(backbone(x), expected)
    assert str(tmp_path) not in json.dumps(backbone.card)


def test_refuses_missing_and_unsuitable_models(tmp_path):
    with pytest.raises(WeightsError, match="language model"):
        unir(base=str(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(WeightsError, match="transformers cannot load it"):
        unir(reasoner=str(tmp_path / "empty"))
    other = tiny_model(REASONER, 0)
    other.resize_token_embeddings(5)
    other.save_pretrained(tmp_path / "other")
    with pytest.raises(AdapterError, match="same tokens"):
        unir(reasoner=str(tmp_path / "other"))


def tokenizer(folder, pairs):
    words = {character: index for index, character in enumerate(CHARACTERS)}
    merges = [tuple(pair) for pair in pairs]
    words |= {pair: len(words) + n for n, pair in enumerate(pairs)}
    own = Tokenizer(models.BPE(vocab=words, merges=merges))
    PreTrainedTokenizerFast(tokenizer_object=own, eos_token=".").save_pretrained(folder)
    return str(folder)


def test_tokens_can_come_from_a_tokenizer_of_single_digits(tmp_path):
    batches = [
        next(iter(DigitStrings(tokenizer=name).val_dataloader()))
        for name in ("characters", tokenizer(tmp_path / "a", []))
    ]
    assert all(torch.equal(batches[0][key], batches[1][key]) for key in ("prompt", "answer"))
    with pytest.raises(RecipeError, match="no padding"):
        DigitStrings(tokenizer=tokenizer(tmp_path / "b", ["12"])).train_dataloader()


@pytest.mark.slow
@pytest.mark.parametrize("changes", [[], [*LORA, "task.lr=1e-2"]], ids=["whole", "lora"])
def test_rewards_train_the_reasoner_and_keep_the_base(changes, tmp_path):
    small = ["trainer.max_steps=40", "data.n_val=64", "data.n_test=128", CPU]
    run = fit(resolve("language/unir", [*changes, *small]), run_dir=tmp_path / "run")
    with (run / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    samples = [float(row["train_reward"]) for row in rows if row["train_reward"]]
    assert sum(samples[-5:]) > sum(samples[:5]) + 1.0
    checks = [row for row in rows if row["val_reward"]]
    assert float(checks[-1]["val_reward"]) > float(checks[-1]["val_reward_base"]) + 0.2
    assert "val_reward_base" in (run / "README.md").read_text()
    own = load_run(run).backbone.fusion.base.state_dict()
    assert all(torch.equal(own[key], value) for key, value in tiny_base().state_dict().items())
    weights = run / "adapter" / "adapter_model.safetensors" if changes else run / "head.safetensors"
    assert all("reasoners.0" in key for key in load_file(weights))
