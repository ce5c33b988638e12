"""The labelled sentences and letters of the package, and how the checker does on them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal

from scionwood_bangla.checker import check_text
from scionwood_bangla.checker.letters import parts
from scionwood_bangla.text.normalise import normalise

Half = Literal["dev", "test", "all"]


@dataclass(frozen=True)
class Sentence:
    """A sentence written by hand.

    Attributes:
        half: `dev` was looked at while the checker was made, `test` was not.
        label: `right`, `wrong`, or `trap`: right, and easily taken for wrong.
        rule: which rule a wrong sentence breaks.
        register: the levels that are acceptable in its situation; any where empty.
        text: the sentence, or a few.
    """

    half: str
    label: str
    rule: str
    register: tuple[str, ...]
    text: str


def sentences(half: Half = "all") -> list[Sentence]:
    """The sentences of a half.

    Args:
        half: `dev`, `test` or `all`.
    """
    lines = _data("sentences.tsv").splitlines()
    rows = csv.DictReader((ln for ln in lines if not ln.startswith("#")), delimiter="\t")
    found = []
    for row in rows:
        register = tuple(filter(None, row["register"].split(",")))
        found.append(Sentence(row["half"], row["label"], row["rule"], register, row["text"]))
    return [item for item in found if half in ("all", item.half)]


def letters(half: Half = "all") -> list[dict[str, Any]]:
    """The letters of a half: `text`, and `parts`, the line of each part.

    Args:
        half: `dev`, `test` or `all`.
    """
    found = [json.loads(line) for line in _data("letters.jsonl").splitlines()]
    return [item for item in found if half in ("all", item["half"])]


def is_flagged(sentence: Sentence) -> bool:
    """Whether the checker finds a fault in a sentence."""
    return bool(check_text(sentence.text, sentence.register or None).faults)


def measure_sentences(half: Half = "all") -> dict[str, float]:
    """Precision and recall of "something is wrong", the traps taken for wrong, and abstention.

    Args:
        half: `dev`, `test` or `all`.
    """
    found = sentences(half)
    hits = {label: 0 for label in ("right", "wrong", "trap")}
    verbs = undecided = 0
    for item in found:
        result = check_text(item.text, item.register or None)
        hits[item.label] += bool(result.faults)
        undecided += len(result.undecided)
        verbs += result.verbs
    counts = {label: sum(item.label == label for item in found) for label in hits}
    flagged = sum(hits.values())
    return {
        "sentences": len(found),
        "precision": hits["wrong"] / flagged if flagged else 0.0,
        "recall": hits["wrong"] / counts["wrong"],
        "false_positives_right": hits["right"] / counts["right"],
        "false_positives_trap": hits["trap"] / counts["trap"],
        "abstention": undecided / max(1, verbs),
    }


def measure_letters(half: Half = "all") -> dict[str, float]:
    """Precision, recall and F1 of the parts found on their lines.

    Args:
        half: `dev`, `test` or `all`.
    """
    right = given = true = 0
    for letter in letters(half):
        found = {(part.name, part.line) for part in parts(normalise(letter["text"])).values()}
        gold = set(letter["parts"].items())
        right, given, true = right + len(found & gold), given + len(found), true + len(gold)
    precision, recall = right / max(1, given), right / max(1, true)
    f1 = 2 * precision * recall / (precision + recall) if right else 0.0
    count = len(letters(half))
    return {"letters": count, "precision": precision, "recall": recall, "f1": f1}


def misses(half: Half = "all") -> Iterator[tuple[str, Sentence]]:
    """The sentences that the checker gets wrong, as `missed` or `false alarm`.

    Args:
        half: `dev`, `test` or `all`.
    """
    for item in sentences(half):
        flagged = is_flagged(item)
        if flagged != (item.label == "wrong"):
            yield "false alarm" if flagged else "missed", item


def _data(name: str) -> str:
    return (files("scionwood_bangla.evaluation") / name).read_text("utf-8")
