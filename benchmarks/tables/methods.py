"""Tables of continual learning and of the reasoner."""

from __future__ import annotations

from text import Tables, read, spread, table


def continual() -> str:
    """Accuracy and forgetting after five tasks in a row."""
    lines = []
    rows = read("continual")
    for method in dict.fromkeys(row["method"] for row in rows):
        seeds = [row for row in rows if row["method"] == method]
        numbers = [
            spread([float(row[name]) for row in seeds if row[name]], ".3f")
            if all(row[name] for row in seeds)
            else ""
            for name in ("average_accuracy", "forgetting", "learnt", "plain_digits")
        ]
        lines.append([method, *numbers, max((row["trained"] for row in seeds), key=int)])
    head = [
        "method",
        "average accuracy",
        "forgetting",
        "accuracy after learning",
        "plain digits at the end",
    ]
    return table([*head, "parameters per task"], lines)


def unir() -> str:
    """The rewards of the base alone, and with the reasoner before and after its training."""
    lines = []
    rows = read("unir")
    for variant in dict.fromkeys(row["variant"] for row in rows):
        seeds = [row for row in rows if row["variant"] == variant]
        columns = ("base", "before", "after")
        rewards = [spread([float(row[name]) for row in seeds], ".3f") for name in columns]
        lines.append([variant, *rewards, seeds[0]["trained"]])
    head = ["what trains", "base alone", "with the untrained reasoner", "after training"]
    return table([*head, "parameters"], lines)


TABLES: Tables = {
    "continual": continual,
    "unir": unir,
}
