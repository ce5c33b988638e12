"""Restating a text at another level, and mixing its levels."""

from __future__ import annotations

from random import Random

from case_table import table

from scionwood_bangla.checker.restate import (
    count_faults,
    is_right,
    mix_levels,
    restate,
    rewrite,
)
from scionwood_bangla.lexicon import LEVELS
from scionwood_bangla.text.normalise import normalise

SAID = {
    "tui": normalise("তোকে ধন্যবাদ। তুই কি বইটা পড়েছিস? কাল আসছিস।"),
    "tumi": normalise("তোমাকে ধন্যবাদ। তুমি কি বইটা পড়েছ? কাল আসছ।"),
    "apni": normalise("আপনাকে ধন্যবাদ। আপনি কি বইটা পড়েছেন? কাল আসছেন।"),
}
ORDER = normalise("তোমাকে ধন্যবাদ। তুমি কি বইটা পড়েছ? কাল এসো।")


@table("level", LEVELS)
@table("start", LEVELS)
def test_restates_a_text_at_any_level(start, level):
    restated = restate(SAID[start], level)
    assert restated is not None
    assert is_right(restated, frozenset({level}))
    assert [w for w in restated.split() if w in SAID[start].split()]  # other words stay
    if start == level:
        assert restated == SAID[start]


def test_an_order_stays_and_its_sentence_with_it():
    """The other sentences are rewritten; texts that are meant to be wrong take any form."""
    result = rewrite(ORDER, "apni")
    assert result.text == SAID["apni"].replace("আসছেন", "এসো")
    assert not result.complete
    assert restate(ORDER, "apni") is None
    assert restate(ORDER, "apni", certain=False) == SAID["apni"].replace("আসছেন", "আসুন")


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
