"""The labelled sentences and letters for tests, and the scores of the checker on them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bangla_checker import check_text, normalise, parts

Half = Literal["dev", "test", "all"]


@dataclass(frozen=True)
class Sentence:
    """A hand-written sentence with a label.

    Attributes:
        half: `dev` was used to develop the checker; `test` was not.
        label: `right`, `wrong` or `trap`. A trap is correct but easily judged wrong.
        rule: the rule that a wrong sentence breaks.
        register: the accepted levels. An empty tuple accepts all levels.
        text: one or a few sentences.
    """

    half: str
    label: str
    rule: str
    register: tuple[str, ...]
    text: str


def sentences(half: Half = "all") -> list[Sentence]:
    """Return the labelled sentences.

    Args:
        half: `dev`, `test` or `all`.
    """
    lines = _data("sentences.tsv").splitlines()
    rows = csv.DictReader((ln for ln in lines if not ln.startswith("#")), delimiter="\t")
    items = []
    for row in rows:
        register = tuple(filter(None, row["register"].split(",")))
        items.append(Sentence(row["half"], row["label"], row["rule"], register, row["text"]))
    return [item for item in items if half in ("all", item.half)]


def letters(half: Half = "all") -> list[dict[str, Any]]:
    """Return the labelled letters, each with `text` and `parts`, the line of each part.

    Args:
        half: `dev`, `test` or `all`.
    """
    items = [json.loads(line) for line in _data("letters.jsonl").splitlines()]
    return [item for item in items if half in ("all", item["half"])]


def is_flagged(sentence: Sentence) -> bool:
    """Return whether the checker reports a fault in a sentence."""
    return bool(check_text(sentence.text, sentence.register or None, chandrabindu=True).faults)


def measure_sentences(half: Half = "all") -> dict[str, float]:
    """Return precision and recall of wrong sentences, false positives, and abstention.

    Args:
        half: `dev`, `test` or `all`.
    """
    items = sentences(half)
    hits = {label: 0 for label in ("right", "wrong", "trap")}
    verbs = undecided = 0
    for item in items:
        result = check_text(item.text, item.register or None, chandrabindu=True)
        hits[item.label] += bool(result.faults)
        undecided += len(result.undecided)
        verbs += result.verbs
    counts = {label: sum(item.label == label for item in items) for label in hits}
    flagged = sum(hits.values())
    return {
        "sentences": len(items),
        "precision": hits["wrong"] / flagged if flagged else 0.0,
        "recall": hits["wrong"] / counts["wrong"],
        "false_positives_right": hits["right"] / counts["right"],
        "false_positives_trap": hits["trap"] / counts["trap"],
        "abstention": undecided / max(1, verbs),
    }


def measure_letters(half: Half = "all") -> dict[str, float]:
    """Return precision, recall and F1 of the parts of letters, each identified by name and line.

    Args:
        half: `dev`, `test` or `all`.
    """
    hits = predicted = labelled = 0
    for letter in letters(half):
        predictions = {(part.name, part.line) for part in parts(normalise(letter["text"])).values()}
        reference = set(letter["parts"].items())
        hits += len(predictions & reference)
        predicted, labelled = predicted + len(predictions), labelled + len(reference)
    precision, recall = hits / max(1, predicted), hits / max(1, labelled)
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    count = len(letters(half))
    return {"letters": count, "precision": precision, "recall": recall, "f1": f1}


def misses(half: Half = "all") -> Iterator[tuple[str, Sentence]]:
    """Yield the sentences that the checker gets wrong, each as `missed` or `false alarm`.

    Args:
        half: `dev`, `test` or `all`.
    """
    for item in sentences(half):
        flagged = is_flagged(item)
        if flagged != (item.label == "wrong"):
            yield "false alarm" if flagged else "missed", item


def _data(name: str) -> str:
    return (Path(__file__).parents[1] / "bangla" / "checker" / name).read_text("utf-8")
