"""Federation: alone, by rounds and pooled, for each field; and what the check of sites finds."""

from __future__ import annotations

from statistics import mean

from text import Row, Tables, read, spread, table

ORDER = ("alone", "federated", "pooled")


def fields() -> str:
    """Each field, regime and rule: mean and spread over seeds."""
    head = ["field", "measure", "regime", "mean score", "own data", "worst site", "MB up", "CPU s"]
    head += ["share of the gap closed"]
    groups: dict[tuple[str, int, str], list[Row]] = {}
    for row in read("federated"):
        regime = f"federated, `{row['rule']}`" if row["regime"] == "federated" else row["regime"]
        place = ORDER.index(row["regime"])
        groups.setdefault((row["field"], place, regime), []).append(row)
    lines = []
    for (field, _, regime), rows in sorted(groups.items()):
        keys = ("score", "own data", "worst site")
        values = [[float(row[key]) for row in rows] for key in keys]
        costs = [f"{mean(float(row[key]) for row in rows):.1f}" for key in ("MB up", "CPU s")]
        gaps = [float(row["gap closed"]) for row in rows if row["gap closed"]]
        gap = spread(gaps, ".2f") if regime.endswith("`exact`") else ""
        shown = [spread(value, ".3f") for value in values]
        lines.append([field, rows[0]["measure"], regime, *shown, *costs, gap])
    return table(head, lines)


def checks() -> str:
    """Each fault: the AUC of the ranking, and how many sites were called apart."""
    head = [
        "fault of 3 of 10 sites",
        "runs",
        "AUC",
        "bad sites called apart",
        "good sites called apart",
    ]
    groups: dict[str, list[Row]] = {}
    for row in read("federated_checks"):
        groups.setdefault(row["fault"], []).append(row)
    lines = []
    for fault, rows in groups.items():
        auc = spread([float(row["auc"]) for row in rows], ".2f") if fault != "none" else ""
        found = [
            f"{mean(float(row[key]) for row in rows):.1f}"
            for key in ("flagged bad", "flagged good")
        ]
        lines.append([fault, str(len(rows)), auc, *found])
    return table(head, lines)


TABLES: Tables = {"federated": fields, "federated_checks": checks}
