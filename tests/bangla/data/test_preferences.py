"""Preference pairs that the checker ranks, their files, and their batches."""

import json

import pytest
from case_table import table

from scionwood import ReadError, RecipeError
from scionwood_bangla.checker.restate import count_faults, is_right
from scionwood_bangla.data.pairs import (
    best_and_worst,
    from_examples,
    read_preferences,
    write_preferences,
)
from scionwood_bangla.data.preferences import Preferences
from scionwood_bangla.evaluation.prompts import prompts
from scionwood_bangla.generator.make import examples
from scionwood_bangla.lexicon import LEVELS
from scionwood_bangla.text.normalise import normalise
from scionwood_language import Answer

SAID = {
    "tui": normalise("তোকে ধন্যবাদ। তুই কি বইটা পড়েছিস? কাল আসিস।"),
    "tumi": normalise("তোমাকে ধন্যবাদ। তুমি কি বইটা পড়েছ? কাল এসো।"),
    "apni": normalise("আপনাকে ধন্যবাদ। আপনি কি বইটা পড়েছেন? কাল আসুন।"),
}
APNI = frozenset({"apni"})


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
    record["prompt"] += "\u2028ছোট করে।"  # JSON may hold it as it is; it ends no line
    (tmp_path / "trl.jsonl").write_text(json.dumps(record, ensure_ascii=False), "utf-8")
    (pair,) = read_preferences(tmp_path / "trl.jsonl")
    assert (pair.chosen, pair.rejected) == (SAID["tumi"], SAID["apni"])
    assert pair.register == frozenset(LEVELS)


@table(
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


def test_a_pair_ranked_by_all_four_questions_prefers_the_relevant_answer():
    item = next(each for each in prompts(half="inferred") if each.expected == "apni")
    line = normalise("আপনি ভালো থাকবেন।")
    answers = [Answer(line, True), Answer(item.reference, True)]
    assert best_and_worst(item.example(), answers) is None  # both have the right level
    pair = best_and_worst(item.example(), answers, "good")
    assert (pair.chosen, pair.rejected) == (item.reference, line)
    assert best_and_worst(item.example(), answers[:1], "good") is None
    assert best_and_worst(item.example(), answers[1:], "good") is None
