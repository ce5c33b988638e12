"""Generated texts have their stated level, and training never shows unseen acts."""

import pytest
from case_table import table

from scionwood_bangla.checker import check_text
from scionwood_bangla.data.conversations import Generated
from scionwood_bangla.generator import phrases
from scionwood_bangla.generator.make import examples, pairs
from scionwood_bangla.generator.people import genitive
from scionwood_bangla.lexicon import LEVELS, forms
from scionwood_bangla.text.normalise import normalise


@pytest.mark.parametrize("which", ["seen", "unseen"])
def test_every_answer_has_its_level_and_every_letter_its_parts(which):
    for example in examples(300, seed=11, which=which):
        findings = check_text(example.completion, example.register, letter=None)
        assert not findings.faults, example.completion
        assert findings.levels == example.register
        assert all(normalise(m.content) == m.content for m in example.messages)


def test_training_never_shows_unseen_acts():
    seen, unseen = set(pairs("seen")), set(pairs("unseen"))
    assert not seen & unseen
    assert seen | unseen == set(pairs("all"))
    assert len(unseen) == pytest.approx(0.2 * len(pairs("all")), abs=1)
    # Forms that can only be second-person forms of an unseen pair do not occur in training.
    second = {*LEVELS, "tini"}
    unseen_forms = {
        form
        for form, group in forms().items()
        if all(r.subject in second and (r.verb, r.tense) in unseen for r in group)
    }
    shown = (m.content for e in examples(1500, seed=8) for m in e.messages)
    assert unseen_forms
    assert not {word.strip("।?,") for text in shown for word in text.split()} & unseen_forms


def test_validation_and_test_use_only_unseen_acts():
    data = Generated(n_train=10, n_val=30, n_test=30)
    asked = [e.prompt for split in ("val", "test") for e in data.examples(split)]
    assert len(set(asked)) == 60
    occasions = [o.telling for o in phrases.occasions()]
    assert not any(telling in turn.content for p in asked for turn in p for telling in occasions)


@table(
    ("noun", "wanted"),
    [
        ("ভাই", "ভাইয়ের"),
        ("মা", "মায়ের"),
        ("বাবা", "বাবার"),
        ("বন্ধু", "বন্ধুর"),
        ("শিক্ষক", "শিক্ষকের"),
        ("স্ত্রী", "স্ত্রীর"),
    ],
)
def test_genitive_of_a_noun(noun, wanted):
    assert genitive(normalise(noun)) == normalise(wanted)
