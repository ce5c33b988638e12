"""The crash suite, the edge block, and a prediction's time."""

from __future__ import annotations

from text import Tables, interval, read, spread, table

MEASURES = (("med_share", 1, ".1f"), ("intrusion_error", 1, ".1f"), ("rel_l2", 100, ".2f"))


def crash_pretraining() -> str:
    """Errors on training parts, on parts like them, and on longer ones."""
    rows = [row for row in read("crash_suite") if row["stage"] == "pretraining"]
    lines = []
    for arm in dict.fromkeys(row["arm"] for row in rows):
        cells = []
        for part in ("train", "test", "beyond"):
            found = [row for row in rows if (row["arm"], row["part"]) == (arm, part)]
            for name, form in (("med_share", ".1f"), ("intrusion_error", ".1f")):
                cells.append(spread([float(row[name]) for row in found], form))
            if part == "test":
                cells.append(spread([100 * float(row["rel_l2"]) for row in found], ".2f"))
        lines.append([arm, found[0]["steps"], *cells])
    errors = [f"{part}: {name}" for part in ("train", "test") for name in ("MED", "intrusion")]
    head = ["arm", "steps", *errors, "test: positions", "longer: MED", "longer: intrusion"]
    return table(head, lines)


def crash_families() -> str:
    """Errors of the networks of more steps on the test parts of each family."""
    rows = [row for row in read("crash_suite") if row["part"].startswith("test, ")]
    lines = []
    for arm, part in dict.fromkeys((row["arm"], row["part"]) for row in rows):
        found = [row for row in rows if (row["arm"], row["part"]) == (arm, part)]
        cells = [
            spread([float(row[name]) * scale for row in found], form)
            for name, scale, form in MEASURES
        ]
        lines.append([arm, part.removeprefix("test, "), *cells])
    return table(["arm", "family", "MED", "intrusion", "positions"], lines)


def crash_transfer() -> str:
    """Errors on an unseen family after so many simulations."""
    rows = [row for row in read("crash_suite") if row["stage"] == "transfer"]
    lines = []
    shots = list(dict.fromkeys(row["shots"] for row in rows))
    for arm in dict.fromkeys(row["arm"] for row in rows):
        found = [row for row in rows if row["arm"] == arm]
        cells = [
            spread([float(row[name]) for row in found if row["shots"] == count], ".1f")
            for count in shots
            for name in ("med_share", "intrusion_error")
        ]
        share = found[0]["share"]
        trained = f"{int(found[0]['trained']):,} ({float(share):.1%})" if share else ""
        lines.append([arm, trained, *cells])
    head = [f"{n} simulations: {name}" for n in shots for name in ("MED", "intrusion")]
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
