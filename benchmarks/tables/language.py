"""Language: the adaptation of SmolLM2, and the ranking of commands."""

from __future__ import annotations

from text import Row, Tables, read, spread, table


def adaptation() -> str:
    """Each method: mean and spread over seeds, prompting first."""
    head = [
        "method",
        "seeds",
        "trained",
        "nats a token",
        "exact",
        "module right",
        "forgetting, nats",
    ]
    head += ["s a step"]
    rows = read("language")
    base = next((float(row["general nats"]) for row in rows if row["seed"] == ""), None)
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["method"], []).append(row)
    lines = []
    for method, own in groups.items():
        values = [[float(row[key]) for row in own] for key in ("nats", "exact", "module")]
        shown = [spread(value, ".3f") for value in values]
        lost = [float(row["general nats"]) - (base or 0.0) for row in own]
        trained = f"{int(own[0]['trained']):,}" if own[0]["trained"] else "0"
        seeds = str(len(own)) if own[0]["seed"] != "" else ""
        pace = own[0]["s a step"]
        lines.append([method, seeds, trained, *shown, spread(lost, "+.4f"), pace])
    return table(head, lines)


def ranking() -> str:
    """Each list of requests: how often the right command came first."""
    keys = ("requests", "n", "commands", "chance", "first", "first three", "valid", "proposed")
    head = ["draft valid" if key == "valid" else key for key in keys]
    return table(head, [[row[key] for key in keys] for row in read("language_ask")])


def attributes() -> str:
    """Mixes of adapters, by the level of their answers."""
    head = ("mix", "n", "tui", "tumi", "apni", "as asked")
    return table(head, [[row[key] for key in head] for row in read("language_attributes")])


TABLES: Tables = {
    "language": adaptation,
    "language_ask": ranking,
    "language_attributes": attributes,
}
