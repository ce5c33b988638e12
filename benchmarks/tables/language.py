"""Language: methods on SmolLM2, TRL, experts, masked diffusion, recipes, and ranked commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from text import Row, Tables, read, spread, table

FORMS = {
    "rate": "s",
    "trained": ",",
    "parameters": ",",
    "nats": ".3f",
    "exact": ".3f",
    "module": ".3f",
    "general nats": "+.4f",
    "forgetting": "+.4f",
    "s a step": ".2f",
    "MiB": ".1f",
    "words": ".3f",
}
"""How a column is written; a share has two digits."""


def grouped(name: str, keys: Sequence[str], head: Mapping[str, str]) -> str:
    """Return a table of means and spreads over seeds.

    Args:
        name: the file of results.
        keys: the columns that name a row.
        head: the title of each other column.
    """
    rows = read(name)
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    bases = [float(row["general nats"]) for row in rows[:1] if "general nats" in row]
    lines = []
    for titles, own in groups.items():
        seeds = str(len(own)) if own[0]["seed"] else ""
        cells = [_cell(own, key, *bases) for key in head]
        lines.append([*titles, seeds, *cells])
    return table([*keys, "seeds", *head.values()], lines)


def _cell(rows: Sequence[Row], key: str, base: float = 0.0) -> str:
    """Return mean and spread of a column; what is the same in all rows stands alone."""
    texts = [row[key] for row in rows if row[key]]
    form = FORMS.get(key, ".2f")
    if form == "s":
        return texts[0] if texts else ""
    values = [float(text) - (base if key == "general nats" else 0.0) for text in texts]
    if form == ",":
        return f"{int(values[0]):,}" if values else ""
    return spread(values, form)


COSTS = {"trained": "trained", "rate": "rate", "s a step": "s a step", "MiB": "MiB kept"}
FORGOTTEN = "forgetting, nats"


def adaptation() -> str:
    """Each method: mean and spread over seeds, prompting first."""
    scores = {"nats": "nats a token", "exact": "exact", "module": "module right"}
    head = {**scores, "general nats": FORGOTTEN, **COSTS}
    return grouped("language_methods", ["method"], head)


def depth() -> str:
    """LoRA and full tuning at equal depth, in all blocks."""
    scores = {"nats": "nats a token", "exact": "exact", "module": "module right"}
    head = {**scores, "general nats": FORGOTTEN, **COSTS}
    return grouped("language_depth", ["method"], head)


def depth_rates() -> str:
    """The validation loss of each rate that was tried in all blocks."""
    rows = read("language_depth_rates")
    lines = [[row["method"], row["rate"], f"{float(row['nats']):.3f}"] for row in rows]
    return table(["method", "rate", "validation, nats a token"], lines)


def experts() -> str:
    """Each method on the mixture of experts."""
    head = {"nats": "nats a byte", "general nats": FORGOTTEN, **COSTS}
    return grouped("language_experts", ["method"], head)


def trl() -> str:
    """Ours, peft and TRL: losses, time and memory."""
    head = [
        "form",
        "first loss",
        "last loss",
        "largest relative difference",
        "s a step",
        "MiB kept",
    ]
    keys = ("form", "first", "last", "apart", "s a step", "MiB")
    return table(head, [[row[key] for key in keys] for row in read("language_trl")])


def diffusion() -> str:
    """The bound and the words of masked diffusion, beside the twin and counts."""
    head = {"parameters": "parameters", "nats": "nats a byte", "words": "known words"}
    return grouped(
        "language_diffusion",
        ["base", "model", "training", "steps"],
        {**head, "s a step": "s a step"},
    )


def planning() -> str:
    """Plans by rank, beside the ranking and prompting."""
    head = {"trained": "trained", "nats": "nats a token", "command": "command right"}
    return grouped(
        "language_planning", ["method"], {**head, "exact": "plan exact", "forgetting": FORGOTTEN}
    )


def review() -> str:
    """Reviews by prompting and by LoRA."""
    head = {"trained": "trained", "line": "line right", "fault": "class right"}
    return grouped(
        "language_review", ["method"], {**head, "no_leak": "no solution", "forgetting": FORGOTTEN}
    )


def multitask() -> str:
    """Three tasks: an adapter for each, one for all, PEML."""
    head = {"trained": "trained", "next": "next", "largest": "largest", "reverse": "reverse"}
    return grouped("language_multitask", ["method"], {**head, "forgetting": FORGOTTEN})


def queries() -> str:
    """The arms of tuning on variants of a question."""
    rows, lines = read("language_queries"), []
    for arm in dict.fromkeys(row["arm"] for row in rows):
        own = [{k: row[k] for k in _COUNTS} for row in rows if row["arm"] == arm]
        sums = [sum(int(row[key]) for row in own) for key in _COUNTS]
        tuned = sum(row["trained on"] != "0" for row in own)
        lines.append([arm, str(len(own)), *map(str, sums[:2]), str(tuned), *map(str, sums[2:])])
    head = ["arm", "questions", "variants made", "trained on", "questions tuned"]
    return table([*head, "right before", "right after", "same bits afterwards"], lines)


_COUNTS = ("made", "trained on", "before", "after", "same bits")


def attributes() -> str:
    """Mixes of adapters, by the level of their answers."""
    head = ("mix", "n", "tui", "tumi", "apni", "as asked")
    return table(head, [[row[key] for key in head] for row in read("language_attributes")])


TABLES: Tables = {
    "language": adaptation,
    "language_depth": depth,
    "language_depth_rates": depth_rates,
    "language_experts": experts,
    "language_trl": trl,
    "language_diffusion": diffusion,
    "language_planning": planning,
    "language_review": review,
    "language_multitask": multitask,
    "language_queries": queries,
    "language_attributes": attributes,
}
