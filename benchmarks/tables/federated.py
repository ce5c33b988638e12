"""Federation: alone, by rounds and pooled, for each field; and what the check of sites finds."""

from __future__ import annotations

from statistics import mean

from text import Row, Tables, read, spread, table

ORDER = ("alone", "federated", "pooled")


def fields() -> str:
    """Each field, regime and rule with LoRA: mean and spread over seeds."""
    head = ["field", "measure", "regime", "seeds", "mean score", "own data", "worst site", "MB up"]
    head += ["CPU s", "share of the gap closed"]
    groups: dict[tuple[str, int, str], list[Row]] = {}
    for row in read("federated"):
        if row["adapter"] != "lora":
            continue
        regime = f"federated, `{row['rule']}`" if row["regime"] == "federated" else row["regime"]
        place = ORDER.index(row["regime"])
        groups.setdefault((row["field"], place, regime), []).append(row)
    lines = []
    for (field, _, regime), rows in sorted(groups.items()):
        keys = ("score", "own data", "worst site")
        values = [[float(row[key]) for row in rows] for key in keys]
        costs = [f"{mean(float(row[key]) for row in rows):.1f}" for key in ("MB up", "CPU s")]
        gaps = [float(row["gap closed"]) for row in rows if row["gap closed"]]
        gap = spread(gaps, ".2f") if regime.endswith("`exact`") and gaps else ""
        shown = [spread(value, ".3f") for value in values]
        lines.append([field, rows[0]["measure"], regime, str(len(rows)), *shown, *costs, gap])
    return table(head, lines)


def checks() -> str:
    """Each fault and way: the AUC of the ranking, and how many sites were called apart."""
    head = ["fault of 3 of 10 sites", "way", "runs", "AUC"]
    head += ["bad sites called apart", "good sites called apart", "clean runs with a false flag"]
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in read("federated_checks"):
        groups.setdefault((row["fault"], row["way"]), []).append(row)
    lines = []
    for (fault, way), rows in sorted(groups.items()):
        clean = fault == "none"
        auc = "" if clean else spread([float(row["auc"]) for row in rows], ".2f")
        found = [
            f"{mean(float(row[key]) for row in rows):.1f}"
            for key in ("flagged bad", "flagged good")
        ]
        false = f"{sum(row['flagged good'] != '0' for row in rows)} of {len(rows)}" if clean else ""
        lines.append([fault, way, str(len(rows)), auc, *found, false])
    return table(head, lines)


TABLES: Tables = {
    "federated": fields,
    "federated_checks": checks,
}
