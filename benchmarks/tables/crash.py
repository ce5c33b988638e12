"""The crash suite, the edge block, and a prediction's time."""

from __future__ import annotations

from collections.abc import Iterable

from text import Tables, interval, read, spread, table

MEASURES = {
    "MED": ("med_share", 1, ".1f"),
    "intrusion": ("intrusion_error", 1, ".1f"),
    "positions": ("rel_l2", 100, ".2f"),
    "in the model": ("rel_l2_model", 100, ".2f"),
}
FIRST = ("MED", "intrusion")


def errors(rows: list[dict[str, str]], names: Iterable[str] = MEASURES) -> list[str]:
    """Mean and spread over the rows, one cell a measure, in percent."""
    wanted = [MEASURES[name] for name in names]
    return [spread([scale * float(row[key]) for row in rows], form) for key, scale, form in wanted]


def crash_pretraining() -> str:
    """Errors on training parts, on parts like them, and on longer ones."""
    rows = [row for row in read("crash_suite") if row["stage"] == "pretraining"]
    shown = {"train": FIRST, "test": tuple(MEASURES), "beyond": FIRST}
    lines = []
    for arm in dict.fromkeys(row["arm"] for row in rows):
        own = {
            part: [row for row in rows if (row["arm"], row["part"]) == (arm, part)]
            for part in shown
        }
        cells = [cell for part, names in shown.items() for cell in errors(own[part], names)]
        lines.append([arm, own["test"][0]["steps"], *cells])
    named = {"train": "train", "test": "test", "beyond": "longer"}
    head = [f"{named[part]}: {name}" for part, names in shown.items() for name in names]
    return table(["arm", "steps", *head], lines)


def crash_families() -> str:
    """Errors of the networks of more steps on the test parts of each family."""
    rows = [row for row in read("crash_suite") if row["part"].startswith("test, ")]
    lines = []
    for arm, part in dict.fromkeys((row["arm"], row["part"]) for row in rows):
        found = [row for row in rows if (row["arm"], row["part"]) == (arm, part)]
        lines.append([arm, part.removeprefix("test, "), *errors(found)])
    return table(["arm", "family", *MEASURES], lines)


def crash_transfer() -> str:
    """Errors on an unseen family after so many simulations."""
    rows = [row for row in read("crash_suite") if row["stage"] == "transfer"]
    lines = []
    shots = list(dict.fromkeys(row["shots"] for row in rows))
    for arm in dict.fromkeys(row["arm"] for row in rows):
        found = [row for row in rows if row["arm"] == arm]
        cells = [
            cell
            for count in shots
            for cell in errors([row for row in found if row["shots"] == count], FIRST)
        ]
        share = found[0]["share"]
        trained = f"{int(found[0]['trained']):,} ({float(share):.1%})" if share else ""
        lines.append([arm, trained, *cells])
    head = [f"{n} simulations: {name}" for n in shots for name in FIRST]
    return table(["arm", "trained", *head], lines)


def crash_edge() -> str:
    """Forward and backward of the edge block and of the edge-specific layer: peers over ours."""
    rows = [row for row in read("crash_edge") if row["rival"] != "ours"]
    lines = [
        [row["operator"], row["shape"], row["pass"], row["rival"], interval(row), row["error"]]
        for row in rows
    ]
    return table(["operator", "shape", "pass", "rival", "times ours", "error"], lines)


def crash_predict() -> str:
    """Seconds of a prediction and of a simulation."""
    lines = [
        [
            *(row[name] for name in ("stage", "nodes", "time", "median_s", "least_s")),
            row["times_prediction"],
        ]
        for row in read("crash_predict")
    ]
    return table(["stage", "nodes", "time", "median, s", "least, s", "over a prediction"], lines)


TABLES: Tables = {
    "crash_pretraining": crash_pretraining,
    "crash_families": crash_families,
    "crash_transfer": crash_transfer,
    "crash_edge": crash_edge,
    "crash_predict": crash_predict,
}
