"""Pairs of a right answer and the same answer at a wrong level, and their batches."""

from random import Random

import pytest

from bangla_checker import is_right, normalise
from scionwood import RecipeError
from scionwood_bangla.data.conversations import shipped
from scionwood_bangla.data.preferences import Preferences, pairs


def test_pairs_differ_only_in_address():
    examples = shipped("train")[:45]
    made = pairs(examples, Random(0))
    assert len(made) > 15
    registers = {example.completion: example.register for example in examples}
    for _, chosen, rejected in made:
        assert is_right(chosen, registers[chosen])
        assert not is_right(rejected, registers[chosen])
        assert len(chosen.split()) == len(rejected.split())
    assert pairs(examples, Random(0)) == made


def test_no_request_is_in_two_splits():
    data = Preferences(n_train=60, n_val=20, n_test=20)
    parts = [{str(prompt) for prompt, _, _ in group} for group in data.splits().values()]
    assert all(parts)
    assert sum(map(len, parts)) == len(set.union(*parts))
    with pytest.raises(RecipeError, match="at least 1"):
        Preferences(n_val=0)


def test_a_batch_has_the_chosen_before_the_rejected_answers():
    data = Preferences(n_train=8, n_val=2, n_test=2)
    made = data.splits()["train"]
    batch = data.collate(made)
    half = len(made)
    for number, (_, chosen, rejected) in enumerate(made):
        for row, text in ((number, chosen), (half + number, rejected)):
            learned = batch["labels"][row][batch["labels"][row] >= 0]
            assert learned[-1] == data.tokenizer.eos_token_id
            assert normalise(data.tokenizer.decode(learned[:-1])) == text
    with pytest.raises(RecipeError, match="max_length"):
        Preferences(n_train=8, n_val=2, n_test=2, max_length=8).collate(made)
