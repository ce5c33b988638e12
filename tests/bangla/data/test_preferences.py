"""Restating, preference pairs that the checker ranks, and direct preference optimisation."""

from __future__ import annotations

import json
import math
from random import Random

import pytest
import torch
from peft import LoraConfig

from scionwood import ReadError, RecipeError, attach
from scionwood.cli import main
from scionwood_bangla.backbones import causal_lm
from scionwood_bangla.checker.restate import count_faults, is_right, mix_levels, restate
from scionwood_bangla.data.pairs import (
    best_and_worst,
    from_examples,
    read_preferences,
    write_preferences,
)
from scionwood_bangla.data.preferences import Preferences
from scionwood_bangla.generator.make import examples
from scionwood_bangla.inference import Answer
from scionwood_bangla.lexicon import LEVELS
from scionwood_bangla.tasks.dpo import RegisterPreference, answer_log_probabilities
from scionwood_bangla.text.normalise import normalise

SAID = {
    "tui": normalise("তোকে ধন্যবাদ। তুই কি বইটা পড়েছিস? কাল আসিস।"),
    "tumi": normalise("তোমাকে ধন্যবাদ। তুমি কি বইটা পড়েছ? কাল এসো।"),
    "apni": normalise("আপনাকে ধন্যবাদ। আপনি কি বইটা পড়েছেন? কাল আসুন।"),
}
APNI = frozenset({"apni"})


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("start", LEVELS)
def test_restates_a_text_at_any_level(start, level):
    restated = restate(SAID[start], level)
    assert restated is not None
    assert is_right(restated, frozenset({level}))
    assert [w for w in restated.split() if w in SAID[start].split()]  # other words stay
    if start == level:
        assert restated == SAID[start]


def test_a_respectful_vocative_allows_no_other_level():
    assert restate("স্যার, আপনি কি কাল আসবেন?", "tui") is None
    assert restate("বৃষ্টি হচ্ছে।", "tui") is None


def test_mixing_levels_adds_a_fault_and_keeps_the_other_words():
    texts = {mix_levels(SAID["apni"], Random(seed)) for seed in range(8)}
    assert len(texts) > 3
    for text in texts:
        assert text is not None
        assert count_faults(text, frozenset(LEVELS)) > 0
        assert "বইটা" in text
    assert mix_levels("বৃষ্টি হচ্ছে।", Random(0)) is None


def test_pairs_of_examples_differ_only_in_address():
    pairs = from_examples(examples(45, seed=0), seed=0)
    assert len(pairs) > 40
    for pair in pairs:
        assert is_right(pair.chosen, pair.register)
        assert not is_right(pair.rejected, pair.register)
        assert abs(len(pair.chosen.split()) - len(pair.rejected.split())) == 0
    assert from_examples(examples(45, seed=0), seed=0) == pairs


def test_wrong_answers_do_not_make_pairs():
    scrambled = examples(60, seed=0, scrambled=True)
    right = [e for e in scrambled if is_right(e.completion, e.register)]
    assert len(from_examples(scrambled)) <= len(right) < 20


def test_pairs_the_correct_complete_answer_with_the_worst():
    (asked,) = [e for e in examples(6, seed=0) if e.register == APNI][:1]
    mixed, other = Answer("আপনি কি তোমার বই পড়েছিস?", True), Answer(SAID["tumi"], True)
    cut, right = Answer(SAID["apni"], False), Answer(SAID["apni"], True)
    pair = best_and_worst(asked, [mixed, cut, right, other])
    assert pair is not None
    assert pair.chosen == right.text
    counts = [count_faults(answer.text, APNI) for answer in (mixed, other)]
    assert count_faults(pair.rejected, APNI) == max(counts)
    assert best_and_worst(asked, [mixed, cut, other]) is None
    assert best_and_worst(asked, [right, cut]) is None


def test_reads_pairs_of_its_own_and_of_trl(tmp_path):
    pairs = from_examples(examples(12, seed=0))
    write_preferences(pairs, tmp_path / "pairs.jsonl")
    assert read_preferences(tmp_path / "pairs.jsonl") == pairs
    record = {
        "prompt": "বন্ধুকে লেখো।",
        "chosen": [{"role": "assistant", "content": SAID["tumi"]}],
        "rejected": [{"role": "assistant", "content": SAID["apni"]}],
    }
    (tmp_path / "trl.jsonl").write_text(json.dumps(record), "utf-8")
    (pair,) = read_preferences(tmp_path / "trl.jsonl")
    assert (pair.chosen, pair.rejected) == (SAID["tumi"], SAID["apni"])
    assert pair.register == frozenset(LEVELS)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not a pair"),
        ("[]", "not a pair"),
        ('{"prompt": "ক", "chosen": "খ"}', "rejected"),
        ('{"prompt": "ক", "chosen": "খ", "rejected": "খ"}', "two different"),
        ('{"prompt": "ক", "chosen": "খ", "rejected": " "}', "two different"),
        ("", "no pairs"),
    ],
)
def test_names_an_invalid_line(tmp_path, line, reason):
    path = tmp_path / "pairs.jsonl"
    path.write_text(line, "utf-8")
    with pytest.raises(ReadError, match=reason):
        read_preferences(path)


def test_no_request_is_in_two_splits(tmp_path):
    pairs = from_examples(examples(60, seed=0))
    write_preferences([*pairs, *pairs], tmp_path / "pairs.jsonl")
    data = Preferences(source=tmp_path / "pairs.jsonl")
    parts = [{pair.prompt for pair in data.splits()[name]} for name in ("train", "val", "test")]
    assert sum(map(len, parts)) == len(set.union(*parts)) == len({pair.prompt for pair in pairs})
    assert all(parts)
    write_preferences(pairs[:5], tmp_path / "few.jsonl")
    with pytest.raises(RecipeError, match="at least 10"):
        Preferences(source=tmp_path / "few.jsonl").splits()


def test_a_batch_has_the_chosen_before_the_rejected_answers():
    data = Preferences(n_train=8, n_val=2, n_test=2)
    pairs = data.splits()["train"]
    batch = data.collate(pairs)
    half = len(pairs)
    for number, pair in enumerate(pairs):
        for row, text in ((number, pair.chosen), (half + number, pair.rejected)):
            learned = batch["labels"][row][batch["labels"][row] >= 0]
            assert learned[-1] == data.tokenizer.eos_token_id
            assert normalise(data.tokenizer.decode(learned[:-1])) == text
    with pytest.raises(RecipeError, match="max_length"):
        Preferences(n_train=8, n_val=2, n_test=2, max_length=8).collate(pairs)


def test_the_log_probability_of_an_answer_is_the_sum_over_its_tokens():
    torch.manual_seed(0)
    logits, labels = (
        torch.randn(2, 5, 7),
        torch.tensor([[-100, -100, 3, 4, -100], [-100, 1, 2, 3, 4]]),
    )
    sums = answer_log_probabilities(logits, labels)
    table = logits.log_softmax(-1)
    assert sums[0] == pytest.approx(float(table[0, 1, 3] + table[0, 2, 4]), rel=1e-5)
    assert sums[1] == pytest.approx(float(sum(table[1, t, t + 1] for t in range(4))), rel=1e-5)


@pytest.fixture(scope="module")
def task():
    return RegisterPreference(attach(causal_lm(), LoraConfig(r=4), targets="all-linear"), beta=0.2)


def test_a_new_adapter_equals_the_reference(task):
    batch = Preferences(n_train=6, n_val=1, n_test=1).collate(
        Preferences(n_train=6, n_val=1, n_test=1).splits()["train"]
    )
    losses = task.losses(batch)
    assert losses["loss"].item() == pytest.approx(math.log(2))
    assert losses["margin"] == losses["chosen_gain"] == losses["rejected_gain"] == 0


def test_the_margin_grows_and_the_base_is_unchanged(task):
    data = Preferences(n_train=6, n_val=1, n_test=1)
    batch = data.collate(data.splits()["train"])
    frozen = {n: p.clone() for n, p in task.named_parameters() if not p.requires_grad}
    trained = [p for p in task.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=5e-3)
    margins = []
    for _ in range(8):
        losses = task.losses(batch)
        margins.append(float(losses["margin"]))
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
    assert margins[0] == 0
    assert margins[-1] > margins[4] > margins[1] > 0
    assert losses["accuracy"] > 0.9
    assert losses["chosen_gain"] > losses["rejected_gain"]
    now = dict(task.named_parameters())
    assert all(torch.equal(now[name], value) for name, value in frozen.items())
    assert all(p.requires_grad for p in trained)


def test_refuses_a_backbone_without_an_adapter():
    with pytest.raises(RecipeError, match="no reference"):
        RegisterPreference(causal_lm())
    with pytest.raises(RecipeError, match="beta=0"):
        RegisterPreference(attach(causal_lm(), LoraConfig(r=1)), beta=0)


def test_prefer_writes_pairs_of_samples_or_of_examples(tmp_path, capsys):
    target = tmp_path / "pairs.jsonl"
    assert main(["bangla", "prefer", str(target), "--requests", "12", "--samples", "0"]) == 0
    printed, warning = capsys.readouterr()
    assert "pairs of 12 requests" in printed
    assert "--requests is now --n" in warning
    assert len(read_preferences(target)) > 9
    assert main(["bangla", "prefer", str(target), "--samples", "0"]) == 2
    assert "exists already" in capsys.readouterr().err


def test_prefer_samples_a_model(tmp_path, capsys):
    target = tmp_path / "pairs.jsonl"
    command = ["bangla", "prefer", str(target), "--n", "4", "--samples", "12"]
    assert main([*command, "--max-new-tokens", "40"]) == 0
    assert "of 4 requests" in capsys.readouterr().out
    for pair in read_preferences(target):
        assert is_right(pair.chosen, pair.register)
        assert not is_right(pair.rejected, pair.register)
