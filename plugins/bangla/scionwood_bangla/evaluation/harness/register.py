"""What `bangla_register.yaml` names: the prompts as a data set, and the measures of one answer."""

from __future__ import annotations

from typing import Any

from scionwood_bangla.checker.scores import SCORES, counts
from scionwood_bangla.evaluation.prompts import prompts
from scionwood_bangla.lexicon import LEVELS


def load(**_: Any) -> dict[str, Any]:  # the harness passes whatever metadata it has
    """The hand-written prompts as the split `test`."""
    from datasets import Dataset

    rows = [
        {
            "prompt": item.text,
            "reference": item.reference,
            "expected": item.expected,
            "levels": [level for level in LEVELS if level in item.levels],
            "hard": item.hard,
        }
        for item in prompts()
    ]
    return {"test": Dataset.from_list(rows)}


def measure(doc: dict[str, Any], results: list[str]) -> dict[str, float]:
    """The measures of one answer; those of a level, and of hard prompts, for these alone.

    Args:
        doc: a row of `load`.
        results: the answer, alone in a list.
    """
    shares = dict(zip(SCORES, counts(results[0], frozenset(doc["levels"])), strict=True))
    match = float(shares["register_match"][0])
    found = {name: float(shares[name][0]) for name in ("consistent", "over_formal")}
    found |= {"register_match": match, f"register_match_{doc['expected']}": match}
    return found | ({"register_match_hard": match} if doc["hard"] else {})
