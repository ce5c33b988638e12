"""The functions that `bangla_register.yaml` names: the data set, and the measures of one answer."""

from __future__ import annotations

from typing import Any

from scionwood_bangla.checker.scores import SCORES, counts
from scionwood_bangla.evaluation.prompts import prompts
from scionwood_bangla.evaluation.quality import judge_answer
from scionwood_bangla.lexicon import LEVELS


def load(**_: Any) -> dict[str, Any]:  # the harness passes its metadata, which is not needed
    """Return the hand-written prompts as the split `test`."""
    from datasets import Dataset

    rows = [
        {
            "prompt": item.text,
            "reference": item.reference,
            "expected": item.expected,
            "levels": [level for level in LEVELS if level in item.levels],
            "hard": item.hard,
            "half": item.half,
        }
        for item in prompts()
    ]
    return {"test": Dataset.from_list(rows)}


def measure(doc: dict[str, Any], results: list[str]) -> dict[str, float]:
    """Return the measures of one answer. Some exist only for prompts of one kind.

    Args:
        doc: a row of `load`.
        results: a list with the answer.
    """
    shares = dict(zip(SCORES, counts(results[0], frozenset(doc["levels"])), strict=True))
    match = float(shares["register_match"][0])
    measures = {name: float(shares[name][0]) for name in ("consistent", "over_formal")}
    measures |= {"register_match": match, f"register_match_{doc['expected']}": match}
    quality = judge_answer(doc["prompt"], results[0], doc["levels"])
    measures |= {
        name: float(getattr(quality, name)) for name in ("good", "relevant", "fluent", "fresh")
    }
    if doc["half"] == "inferred":
        measures["good_inferred"] = measures["good"]
    return measures | ({"register_match_hard": match} if doc["hard"] else {})
