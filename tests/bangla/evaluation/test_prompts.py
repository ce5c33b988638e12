"""The hand-written prompts are normalised, and each accepts its reference."""

from bangla_checker import is_right, normalise
from scionwood_bangla.evaluation.prompts import prompts


def test_prompts_are_normalised_and_accept_their_reference():
    assert len({item.text for item in prompts()}) == 180
    for item in prompts():
        assert (normalise(item.text), normalise(item.reference)) == (item.text, item.reference)
        assert is_right(item.reference, frozenset({item.expected})), item.reference
        assert item.expected in item.levels
        hints = ("relation", "occasion", "setting")
        assert item.cue in (hints if item.half == "inferred" else ("named", "implied"))
        if item.cue == "named":
            assert item.levels == {item.expected}
