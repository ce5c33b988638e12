"""Audits: probes of shipped runs, poisoned weights, dynamic prompts, planted corruption."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

from text import Row, Tables, read, spread, table

NUMBERS = {
    "departure": "turn and mean over all numbers together, a score of `audit`",
    "turn": "turn from the mean change of the references, a score of `audit`",
    "|z| spread of norms": "spread of the norms over modules (arXiv 2605.30189)",
    "score": "mean over all numbers, a score of `audit`",
    "|z| norm": "norms only",
    "|z| largest": "largest singular values only",
    "|z| concentration": "concentrations only",
    "|z| entropy": "entropies only",
    "|z| kurtosis": "kurtoses only",
}


LIMITED = {"departure": "departed", "turn": "turned", "score": "far"}
"""The scores that have a limit, and the column that says whether it is broken."""


def probes() -> str:
    """Each probe of each run: what was found, the limit, and the result."""
    rows = read("audit_probes")
    head = ["run", "probe", "found", "limit", "result"]
    keys = ("run", "probe", "found", "limit", "result")
    return table(head, [[_word(row[key]) for key in keys] for row in rows])


def reasons() -> str:
    """Each broken probe on inputs like those of the run's training."""
    head = ["run", "input", "question", "found"]
    return table(head, [[row[key] for key in head] for row in read("audit_reasons")])


def weights() -> str:
    """AUC of each number, and what the limit of the score calls anomalous."""
    rows = read("audit_weights")
    clean, poisoned, other = (
        [row for row in rows if row["kind"] == kind] for kind in ("clean", "poisoned", "rank 8")
    )
    lines = []
    for key, name in NUMBERS.items():
        values = [[float(row[key]) for row in group] for group in (clean, poisoned)]
        shares = ["", ""]
        if key in LIMITED:
            shares = [
                f"{100 * mean(int(r[LIMITED[key]]) for r in g):.0f} %" for g in (clean, poisoned)
            ]
        lines.append([name, f"{auc(*values):.3f}", *shares])
    lines.insert(0, _accuracy())
    refused = sum(row["score"] == "no reference" for row in other)
    lines.append([f"adapters of rank 8: {refused} of {len(other)} have no reference", "", "", ""])
    return table(["number", "AUC", "clean called anomalous", "poisoned called anomalous"], lines)


def prompts() -> str:
    """Each probe of dynamic prompts: means of both kinds, and the AUC."""
    rows = read("audit_prompts")
    groups = [[row for row in rows if row["kind"] == kind] for kind in ("clean", "poisoned")]
    names = [
        name
        for name in rows[0]
        if ": " in name or name in ("accuracy", "patch succeeds", "inversion index")
    ]
    lines = [_prompt(name, groups) for name in names]
    right = [sum(int(row["inverts the class"]) for row in group) for group in groups]
    lines.append(["the inverted patch has the right class", *map(str, right), ""])
    return table(["what", "clean", "poisoned", "AUC"], lines)


def training() -> str:
    """Each fault with the tests that found it, and the correct corruptions together."""
    rows = read("audit_training")
    faults = [row for row in rows if row["kind"] == "planted fault"]
    correct = [row for row in rows if row["kind"] == "correct"]
    lines = [[row["corruption"], row["broken"] or "not found", row["CPU s"]] for row in faults]
    wrong = sum(bool(row["broken"]) for row in correct)
    cpu = f"{mean(float(row['CPU s']) for row in correct):.1f}"
    lines.append([f"{len(correct)} correct ones", f"{wrong} called broken", cpu])
    return table(["corruption", "broken properties", "CPU s"], lines)


def auc(low: Sequence[float], high: Sequence[float]) -> float:
    """Return the share of pairs in which the second is larger; ties count a half."""
    pairs = [(h > v) + 0.5 * (h == v) for v in low for h in high]
    return sum(pairs) / len(pairs)


def _accuracy() -> list[str]:
    """What the accuracy on clean data tells alone; its limit is the lowest of the other clean ones.

    That limit has the rank that allows 5 % of false alarms among 29 or 30 adapters.
    """
    rows = read("audit_adapters")
    clean, poisoned = (
        [float(row["accuracy"]) for row in rows if row["kind"] == kind]
        for kind in ("clean", "poisoned")
    )
    low, second = sorted(clean)[:2]
    shares = [int(low < second) / len(clean), mean(value < low for value in poisoned)]
    called = [f"{100 * share:.0f} %" for share in shares]
    return [
        "accuracy on clean data alone, no score of `audit`",
        f"{auc(poisoned, clean):.3f}",
        *called,
    ]


def _prompt(name: str, groups: Sequence[Sequence[Row]]) -> list[str]:
    values = [[float(row[name]) for row in group] for group in groups]
    area = "" if name in ("accuracy", "patch succeeds") else f"{auc(*values):.2f}"
    return [name, *(spread(value, ".2f") for value in values), area]


def _word(text: str) -> str:
    return f"**{text}**" if text == "broken" else text


TABLES: Tables = {
    "audit_probes": probes,
    "audit_reasons": reasons,
    "audit_weights": weights,
    "audit_prompts": prompts,
    "audit_training": training,
}
