"""Continual learning and the reasoner."""

from __future__ import annotations

from text import Tables, read, spread, table


def continual() -> str:
    """Accuracy and forgetting after five tasks in a row."""
    lines = []
    rows = read("continual")
    for arm in dict.fromkeys(row["arm"] for row in rows):
        found = [row for row in rows if row["arm"] == arm]
        numbers = [
            spread([float(row[name]) for row in found if row[name]], ".3f")
            if all(row[name] for row in found)
            else ""
            for name in ("average_accuracy", "forgetting", "learnt", "plain_digits")
        ]
        lines.append([arm, *numbers, max((row["trained"] for row in found), key=int)])
    head = [
        "method",
        "average accuracy",
        "forgetting",
        "accuracy once learnt",
        "first task at the end",
    ]
    return table([*head, "trained a task"], lines)


def unir() -> str:
    """The rewards of a base alone, and with a reasoner before and after its training."""
    lines = []
    rows = read("unir")
    for arm in dict.fromkeys(row["arm"] for row in rows):
        found = [row for row in rows if row["arm"] == arm]
        columns = ("base", "before", "after")
        rewards = [spread([float(row[name]) for row in found], ".3f") for name in columns]
        lines.append([arm, *rewards, found[0]["trained"]])
    head = ["what trains", "base alone", "with the reasoner, before", "after", "trained"]
    return table(head, lines)


TABLES: Tables = {
    "continual": continual,
    "unir": unir,
}
