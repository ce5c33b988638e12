"""Tables of the crash suite, the edge block, and the time of a prediction."""

from __future__ import annotations

from collections.abc import Iterable

from text import Tables, interval, read, spread, table

MEASURES = {
    "MED": ("med_share", 1, ".1f"),
    "intrusion": ("intrusion_error", 1, ".1f"),
    "positions": ("rel_l2", 100, ".2f"),
    "positions, model": ("rel_l2_model", 100, ".2f"),
}
FIRST = ("MED", "intrusion")
LONGEST = "Mask-Morph U-Net, longest"
CARD = {
    "pretraining": (
        LONGEST,
        "Mask-Morph U-Net",
        "MeshGraphNet",
        "Transolver",
        "POD + GP",
        "mean history",
    ),
    "transfer": ("frozen-edge", "lora", "full", "scratch", "POD + GP", "mean history"),
}
"""Methods that the card shows."""


def errors(rows: list[dict[str, str]], names: Iterable[str] = MEASURES) -> list[str]:
    """Return mean and spread over the rows in percent, one cell for each measure."""
    measures = [MEASURES[name] for name in names]
    return [
        spread([scale * float(row[key]) for row in rows], form) for key, scale, form in measures
    ]


def crash_summary() -> str:
    """Return the errors of the main methods, for the card."""
    rows = [row for row in read("crash_suite") if row["part"] == "test"]
    lines = []
    for stage, methods in CARD.items():
        for method in methods:
            own = [row for row in rows if (row["stage"], row["method"]) == (stage, method)]
            own = [row for row in own if row["shots"] in ("", "16")]
            test = "new designs of known families" if stage == "pretraining" else "new family"
            lines.append([test, method, own[0]["steps"], *errors(own, FIRST)])
    return table(["test", "method", "steps", "MED, %", "intrusion, %"], lines)


def crash_pretraining() -> str:
    """Return the errors on training designs, on new designs, and on longer ones."""
    rows = [row for row in read("crash_suite") if row["stage"] == "pretraining"]
    shown = {"train": FIRST, "test": tuple(MEASURES), "beyond": FIRST}
    lines = []
    for method in dict.fromkeys(row["method"] for row in rows):
        own = {
            part: [row for row in rows if (row["method"], row["part"]) == (method, part)]
            for part in shown
        }
        cells = [cell for part, names in shown.items() for cell in errors(own[part], names)]
        lines.append([method, own["test"][0]["steps"], *cells])
    names = {"train": "train", "test": "test", "beyond": "longer"}
    head = [f"{names[part]}: {name}" for part, own in shown.items() for name in own]
    return table(["method", "steps", *head], lines)


def crash_families() -> str:
    """Return the errors of the long trainings on the test designs of each family."""
    rows = [row for row in read("crash_suite") if row["part"].startswith("test, ")]
    lines = []
    for method, part in dict.fromkeys((row["method"], row["part"]) for row in rows):
        own = [row for row in rows if (row["method"], row["part"]) == (method, part)]
        lines.append([method, part.removeprefix("test, "), *errors(own)])
    return table(["method", "family", *MEASURES], lines)


def crash_transfer() -> str:
    """Return the errors on an unseen family by the number of simulations."""
    rows = [row for row in read("crash_suite") if row["stage"] == "transfer"]
    lines = []
    shots = list(dict.fromkeys(row["shots"] for row in rows))
    for method in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == method]
        cells = [
            cell
            for count in shots
            for cell in errors([row for row in own if row["shots"] == count], FIRST)
        ]
        share = own[0]["share"]
        trained = f"{int(own[0]['trained']):,} ({float(share):.1%})" if share else ""
        lines.append([method, trained, *cells])
    head = [f"{n} simulations: {name}" for n in shots for name in FIRST]
    return table(["method", "trained weights", *head], lines)


def crash_edge() -> str:
    """Return times of the edge block and the edge-specific layer relative to ours."""
    rows = [row for row in read("crash_edge") if row["rival"] != "ours"]
    lines = [
        [row["operator"], row["shape"], row["pass"], row["rival"], interval(row), row["error"]]
        for row in rows
    ]
    return table(["operator", "shape", "pass", "alternative", "time / ours", "error"], lines)


def crash_predict() -> str:
    """Return the seconds of a prediction and of a simulation."""
    lines = [
        [
            *(row[name] for name in ("stage", "nodes", "time", "median_s", "least_s")),
            row["times_prediction"],
        ]
        for row in read("crash_predict")
    ]
    head = ["stage", "nodes", "time", "median, s", "minimum, s", "relative to a prediction"]
    return table(head, lines)


TABLES: Tables = {
    "crash_summary": crash_summary,
    "crash_pretraining": crash_pretraining,
    "crash_families": crash_families,
    "crash_transfer": crash_transfer,
    "crash_edge": crash_edge,
    "crash_predict": crash_predict,
}
