"""Tables of the crash suite, the edge block, and the time of a prediction."""

from __future__ import annotations

from collections.abc import Iterable

from crash_speed_tables import SPEED
from text import Tables, read, spread, table

MEASURES = {
    "MED": ("med_share", 1, ".1f"),
    "intrusion": ("intrusion_error", 1, ".1f"),
    "positions": ("rel_l2", 100, ".2f"),
    "positions, model": ("rel_l2_model", 100, ".2f"),
}
FIRST = ("MED", "intrusion")
SHIPPED = "Mask-Morph U-Net, long"
CARD = {
    "pretraining": (
        SHIPPED,
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
            shown = f"{method} (shipped)" if method == SHIPPED else method
            lines.append([test, shown, own[0]["steps"], *errors(own, FIRST)])
    lines = [*_regressions("16", "benchmark"), *lines]
    return table(["test", "method", "steps", "MED, %", "intrusion, %"], lines)


def _regressions(shots: str, part: str) -> list[list[str]]:
    """Return the errors of regressions of the intrusion on the bumpers of the transfer."""
    rows = _fields("baseline", shots=shots, part=part)
    return [
        ["new family", method, "", "", _over(own, "intrusion_error", ".1f")]
        for method, own in _grouped(rows, "method").items()
        if method != "network"
    ]


def _fields(stage: str, **wanted: str) -> list[dict[str, str]]:
    rows = [row for row in read("crash_fields") if row["stage"] == stage]
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def _grouped(rows: Iterable[dict[str, str]], *keys: str) -> dict[str, list[dict[str, str]]]:
    groups: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        groups.setdefault(", ".join(row[key] for key in keys), []).append(row)
    return groups


def _over(rows: Iterable[dict[str, str]], key: str, form: str, scale: float = 1) -> str:
    return spread([scale * float(row[key]) for row in rows if row[key]], form)


def crash_baselines() -> str:
    """Return the error of the intrusion of regressions and of the network."""
    rows = _fields("baseline")
    lines = []
    for method, own in _grouped(rows, "method").items():
        cells = [
            _over(
                [r for r in own if (r["shots"], r["part"]) == (shots, part)],
                "intrusion_error",
                ".1f",
            )
            for shots in ("16", "8")
            for part in ("benchmark", "fresh")
        ]
        lines.append([method, *cells])
    lines.sort(key=lambda line: line[0] == "network")
    head = [f"{n} simulations, {part}" for n in (16, 8) for part in ("30 benchmark", "30 fresh")]
    return table(["method", *head], lines)


def crash_strain() -> str:
    """Return edge strains over the true ones, before and after the projection."""
    rows = [*_fields("strain"), *_fields("baseline", method="network", shots="16")]
    rows += _fields("family")
    for row in rows:
        alone = row["stiffness"] == "0.0"
        row["after"] = "network alone" if alone else "projected"
        if row["stage"] == "baseline":
            row["method"] = "edge loss"
        bumpers = f"bumpers, {row['part']}"
        row["designs"] = f"{row['part']}, 6 designs" if row["stage"] == "family" else bumpers
        for name in ("edge_strain", "edge_p99", "ripple"):
            row[name] = str(float(row[f"{name}_predicted"]) / float(row[f"{name}_true"]))
    lines = []
    for own in _grouped(rows, "designs", "method", "after").values():
        cells = [_over(own, name, ".2f") for name in ("edge_strain", "edge_p99", "ripple")]
        cells += [_over(own, name, ".1f") for name in ("med_share", "intrusion_error")]
        first = own[0]
        lines.append([first["designs"], first["method"], first["after"], str(len(own)), *cells])
    head = ["seeds", "mean strain", "99th percentile", "ripple", "MED, %", "intrusion, %"]
    return table(["designs", "training", "prediction", *head], lines)


def crash_plastic() -> str:
    """Return the errors of plastic strain, energy and accelerations on fresh bumpers."""
    rows = [row for row in _fields("strain") if float(row["stiffness"])]
    names = ("plastic_error", "plastic_correlation", "energy_error", "acceleration_median")
    forms = (".0f", ".2f", ".0f", ".0f")
    lines = []
    for method, own in _grouped(rows, "method").items():
        cells = [_over(own, name, form) for name, form in zip(names, forms, strict=True)]
        lines.append([method, *cells, _over(own, "acceleration_close", ".0f", 100)])
    head = ["plastic strain, %", "correlation", "energy, %", "acceleration, median, %"]
    return table(["training", *head, "probes within 25 %, %"], lines)


def crash_coverage() -> str:
    """Return coverage and width of the intervals by draw."""
    lines = []
    for method, own in _grouped(_fields("coverage"), "method").items():
        covered, near = (
            ", ".join(f"{float(row[key]):.2f}" for row in own if row[key])
            for key in ("covered", "near")
        )
        cells = [covered, _over(own, "width", ".2f"), near, _over(own, "radius", ".2f")]
        lines.append([method, *cells])
    head = ["intrusion covered, by draw", "width / intrusion", "nodes covered, by draw"]
    return table(["method", *head, "radius / intrusion"], lines)


def crash_solver() -> str:
    """Return results of the solver beside theory and what was measured."""
    lines = []
    for row in read("crash_solver"):
        if not row["quantity"] or not row["solver"]:
            continue
        given, wanted = float(row["solver"]), float(row["theory"])
        measured = f"{float(row['measured']):.3g}" if row.get("measured") else ""
        cells = [f"{given:.3g}", f"{wanted:.3g}", measured, f"{given / wanted:.2f}"]
        hourglass = f"{float(row['hourglass']):.1%}"
        lines.append([row["case"], row["quantity"], row["element"], *cells, hourglass])
    head = ["solver", "theory", "fit of tests", "solver / theory", "hourglass energy"]
    return table(["case", "quantity", "element, mm", *head], lines)


def crash_hourglass() -> str:
    """Return the hourglass energy of designs of the suite."""
    lines = []
    for row in read("crash_solver"):
        if row.get("designs"):
            shares = [f"{float(row[name]):.1%}" for name in ("mean", "hourglass")]
            lines.append([row["case"], row["element"], row["designs"], *shares, row["left_out"]])
    head = ["family", "element, mm", "designs", "mean", "largest", "left out"]
    return table(head, lines)


def crash_assemblies() -> str:
    """Return the errors of networks on welded and loose assemblies."""
    lines = []
    names = ("hat_med", "plate_med", "hat_intrusion_error", "plate_intrusion_error")
    for variant, own in _grouped(read("crash_assemblies"), "variant").items():
        for test, rows in _grouped(own, "test").items():
            lines.append([variant, test, *(_over(rows, name, ".1f") for name in names)])
    head = ["hat: MED, %", "plate: MED, %", "hat: intrusion, %", "plate: intrusion, %"]
    return table(["the network is given", "test", *head], lines)


def crash_known() -> str:
    """Return the errors of regressions and of the shipped network on families that it knows."""
    rows = read("crash_known")
    families = list(dict.fromkeys(row["family"] for row in rows))
    lines = []
    for method, own in _grouped(rows, "method").items():
        cells = [
            _over([row for row in own if row["family"] == family], "intrusion_error", ".1f")
            for family in families
        ]
        lines.append([method, *cells])
    return table(["method", *families], lines)


def crash_novelty() -> str:
    """Return false alarms and alarms of the novelty flag."""
    lines = []
    for shown, own in _grouped(read("crash_novelty"), "families", "designs").items():
        false = [100 * float(row["false_alarms"]) for row in own]
        found = [100 * float(row["detected"]) for row in own]
        families, _, designs = shown.rpartition(", ")
        cells = [f"{sum(false) / len(false):.1f}", f"{max(false):.0f}"]
        cells += [f"{sum(found) / len(found):.0f}", f"{min(found):.0f}"]
        lines.append([families, designs, *cells])
    head = ["false alarms, mean, %", "worst draw, %", "other families flagged, mean, %"]
    return table(["fitted on", "designs", *head, "worst draw, %"], lines)


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


TABLES: Tables = {
    "crash_summary": crash_summary,
    "crash_pretraining": crash_pretraining,
    "crash_families": crash_families,
    "crash_transfer": crash_transfer,
    "crash_baselines": crash_baselines,
    "crash_strain": crash_strain,
    "crash_plastic": crash_plastic,
    "crash_coverage": crash_coverage,
    "crash_solver": crash_solver,
    "crash_hourglass": crash_hourglass,
    "crash_assemblies": crash_assemblies,
    "crash_known": crash_known,
    "crash_novelty": crash_novelty,
    **SPEED,
}
