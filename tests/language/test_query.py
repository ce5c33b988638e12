"""Tuning for one question leaves no trace, and a verifier keeps right solutions only."""

import pytest
import torch
from case_table import table

from scionwood import RecipeError
from scionwood_language.backbones.causal_lm import causal_lm
from scionwood_language.query.options import TuneOptions
from scionwood_language.query.tuning import answer_tuned, make_variants, pair_of, verify_digits

QUESTION = "Which number comes after 41?"
RIGHT = ("Which number comes after 52?", "53")
WRONG = ("Which number comes after 63?", "99")

pytestmark = pytest.mark.usefixtures("_one_thread")


def test_the_model_has_the_same_bits_afterwards():
    model = causal_lm()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modules = [name for name, _ in model.named_modules()]
    state = torch.get_rng_state()
    options = TuneOptions(steps=60, lr=1e-2, max_new_tokens=6)
    done = answer_tuned(model, QUESTION, options, variants=[RIGHT, WRONG])
    assert done.answer != done.before
    assert done.answer.startswith(("5", "9"))
    after = model.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert [name for name, _ in model.named_modules()] == modules
    assert torch.equal(torch.get_rng_state(), state)
    again = answer_tuned(model, QUESTION, options, variants=[])
    assert again.answer == again.before == done.before


def test_a_verifier_keeps_right_solutions_only():
    assert verify_digits(*RIGHT)
    assert not verify_digits(*WRONG)
    assert not verify_digits("What is the capital of France?", "Paris")
    options = TuneOptions(steps=1, max_new_tokens=2)
    done = answer_tuned(
        causal_lm(), QUESTION, options, variants=[RIGHT, WRONG], verify=verify_digits
    )
    assert done.variants == [RIGHT]
    assert done.samples == 2


def test_an_untrained_model_makes_no_variant_and_wrong_sizes_are_refused():
    assert make_variants(causal_lm(), QUESTION, 2) == []
    with pytest.raises(RecipeError, match="n=0"):
        make_variants(causal_lm(), QUESTION, 0)
    with pytest.raises(RecipeError, match="steps=0"):
        answer_tuned(causal_lm(), QUESTION, TuneOptions(steps=0), variants=[RIGHT])


@table(
    ("text", "pair"),
    [
        ("Question: a?\n\nAnswer: b.\nc", ("a?", "b.")),
        ("Sure.\nQuestion:\na\nb?\nAnswer:\nc", ("a\nb?", "c")),
        ("Question: a?\nAnswer: \n ", None),
        ("Question: \nAnswer: b", None),
        ("a? b", None),
    ],
)
def test_a_variant_needs_a_question_and_an_answer(text, pair):
    assert pair_of(text) == pair
