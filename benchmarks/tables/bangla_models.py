"""Tables of answers in Bangla by all four questions: cheats, rewards, and SmolLM2."""

from __future__ import annotations

from text import Tables, read, spread, table

HALVES = ("dev", "test", "inferred")


def bangla_score() -> str:
    """Return the shares of answers that pass each question, for cheats, references and models."""
    rows = read("bangla_score")
    names = dict.fromkeys(row["answer"] for row in rows if row["measure"] == "good")
    cells = {(row["half"], row["answer"], row["measure"]): row["value"] for row in rows}
    lines = [
        [
            name,
            *(f"{float(cells[half, name, 'register']):.2f}" for half in HALVES[1:]),
            *(
                f"{float(cells[key]):.2f}" if (key := (half, name, "good")) in cells else ""
                for half in HALVES
            ),
        ]
        for name in names
    ]
    head = ["answers", "register, test", "register, inferred"]
    return table([*head, *(f"all four, {half}" for half in HALVES)], lines)


def bangla_shipped() -> str:
    """Return the shares of greedy answers that pass each question, by method of prompting."""
    rows = [row for row in read("bangla_generation") if row["recipe"] == "shipped"]
    cells = {
        (row["method"], row["suite"], row["measure"]): row["value"]
        for row in rows
        if row["group"] == "all"
    }
    measures = ("register_match", "relevant", "fluent", "fresh", "good")
    columns = [("handwritten", name) for name in measures]
    columns += [("handwritten_inferred", name) for name in (measures[0], measures[-1])]
    methods = dict.fromkeys(method for method, _, _ in cells if method)
    lines = [
        [
            method.replace("_", " "),
            *(f"{float(cells[method, suite, name]):.2f}" for suite, name in columns),
        ]
        for method in methods
    ]
    names = {"register_match": "register", "good": "all four"}
    head = [names.get(name, name) for _, name in columns[:-2]]
    return table(["method", *head, "register, inferred", "all four, inferred"], lines)


def bangla_reward() -> str:
    """Return the shares of answers that pass each question, by the reward of the training."""
    rows = read("bangla_reward")
    names = {
        "shipped run": "none (the shipped run)",
        "register": "register alone",
        "good": "all four questions",
    }
    columns = [
        *((half, "register") for half in HALVES[1:]),
        *(("test", name) for name in ("relevant", "fluent")),
        *((half, "good") for half in HALVES),
    ]
    lines = []
    for name, shown in names.items():
        mine = [row for row in rows if row["reward"] == name]
        cells = [
            [float(row["value"]) for row in mine if (row["half"], row["measure"]) == column]
            for column in columns
        ]
        lines.append([shown, *(spread(values, ".2f") for values in cells)])
    head = [f"{name}, {half}".replace("good", "all four") for half, name in columns]
    return table(["reward", *head], lines)


def bangla_smol() -> str:
    """Return the surprise and the answers of SmolLM2 beside the tiny model and a cheat."""
    names = ("nats per word", "register", "relevant", "fluent", "fresh", "good")
    columns = [("test", name) for name in names]
    columns += [("generated", names[0]), ("generated", names[1]), ("inferred", names[-1])]
    cells = {
        (row["model"], row["half"], row["measure"]): float(row["value"])
        for row in read("bangla_smol")
    }
    for row in read("bangla_score"):
        if row["answer"] == "keyword rule":
            cells[row["answer"], row["half"], row["measure"]] = float(row["value"])
    models = dict.fromkeys(model for model, half, _ in cells if half == "test")
    lines = [
        [model, *(f"{cells[key]:.2f}" if (key := (model, *c)) in cells else "" for c in columns)]
        for model in models
    ]
    head = ["nats a word", *names[1:-1], "all four"]
    more = ["nats a word, generated", "register, generated", "all four, inferred"]
    return table(["model", *head, *more], lines)


TABLES: Tables = {
    "bangla_score": bangla_score,
    "bangla_shipped": bangla_shipped,
    "bangla_reward": bangla_reward,
    "bangla_smol": bangla_smol,
}
