"""Federation: alone, by rounds and pooled; costs by adapter; checks of sites; and privacy."""

from __future__ import annotations

from statistics import mean

from text import Row, Tables, read, spread, table

ORDER = ("alone", "federated", "pooled", "pooled_equal")
NAMES = {"pooled_equal": "pooled, steps of one site"}
LENGTHS = {"long": "5 x 10", "short": "3 x 5"}
WAYS = [
    "start",
    "plain sum",
    "CKKS",
    "CKKS pruned",
    "alone, untrained",
    *(
        f"alone, {n} gathers{budget}"
        for n in (24, 240)
        for budget in ("", ", epsilon 8", ", epsilon 2")
    ),
]


def cost(rows: list[Row], key: str, form: str) -> str:
    """Return the mean of a cost over the runs that counted it as a whole."""
    values = [float(row[key]) for row in rows if row[key]]
    return f"{mean(values):{form}}" if values else ""


def fields() -> str:
    """Each field, regime and rule with LoRA: mean and spread over seeds."""
    head = ["field", "measure", "regime", "seeds", "mean score", "own data", "worst site", "MB up"]
    head += ["CPU s", "share of the gap closed"]
    groups: dict[tuple[str, int, str], list[Row]] = {}
    for row in read("federated"):
        if row["adapter"] != "lora":
            continue
        regime = NAMES.get(row["regime"], row["regime"])
        if regime == "federated":
            regime += f", `{row['rule']}`"
        place = ORDER.index(row["regime"])
        groups.setdefault((row["field"], place, regime), []).append(row)
    lines = []
    for (field, _, regime), rows in sorted(groups.items()):
        keys = ("score", "own data", "worst site")
        values = [[float(row[key]) for row in rows] for key in keys]
        costs = [cost(rows, key, ".1f") for key in ("MB up", "CPU s")]
        gaps = [float(row["gap closed"]) for row in rows if row["gap closed"]]
        gap = spread(gaps, ".2f") if regime.endswith("`exact`") and gaps else ""
        shown = [spread(value, ".3f") for value in values]
        lines.append([field, rows[0]["measure"], regime, str(len(rows)), *shown, *costs, gap])
    return table(head, lines)


def checks() -> str:
    """Each fault and way: the AUC of the ranking, and how many sites were called apart."""
    head = ["rounds x steps", "fault of 3 of 10 sites", "way", "runs", "AUC"]
    head += ["bad sites called apart", "good sites called apart", "clean runs with a false flag"]
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in read("federated_checks"):
        groups.setdefault((row["size"], row["fault"], row["way"]), []).append(row)
    lines = []
    for (size, fault, way), rows in sorted(groups.items()):
        clean = fault == "none"
        auc = "" if clean else spread([float(row["auc"]) for row in rows], ".2f")
        found = [
            f"{mean(float(row[key]) for row in rows):.1f}"
            for key in ("flagged bad", "flagged good")
        ]
        false = f"{sum(row['flagged good'] != '0' for row in rows)} of {len(rows)}" if clean else ""
        lines.append([LENGTHS[size], fault, way, str(len(rows)), auc, *found, false])
    return table(head, lines)


def adapters() -> str:
    """Each field, adapter and regime by the exact rule: scores and costs."""
    head = ["field", "adapter", "regime", "seeds", "mean score", "worst site", "MB up", "MB down"]
    head += ["CPU s", "peak MiB", "J"]
    groups: dict[tuple[str, str, int], list[Row]] = {}
    for row in read("federated"):
        if row["rule"] == "exact" and row["regime"] not in NAMES:
            place = ORDER.index(row["regime"])
            groups.setdefault((row["field"], row["adapter"], place), []).append(row)
    lines = []
    for (field, adapter, place), rows in sorted(groups.items()):
        scores = [
            spread([float(row[key]) for row in rows], ".3f") for key in ("score", "worst site")
        ]
        costs = [cost(rows, key, ".2f") for key in ("MB up", "MB down")]
        costs += [cost(rows, key, ".0f") for key in ("CPU s", "peak MiB")]
        lines.append([field, adapter, ORDER[place], str(len(rows)), *scores, *costs, rows[0]["J"]])
    return table(head, lines)


def rates() -> str:
    """The score of the pooled model at each rate, on the sites of seed 100."""
    lines = [[r["field"], r["adapter"], r["rate"], r["score"]] for r in read("federated_rate")]
    lines.sort(key=lambda line: (line[0], line[1], float(line[2])))
    return table(["field", "adapter", "rate", "loss of the pooled model"], lines)


def privacy() -> str:
    """Each way to sum, and each budget: bytes, time, error and score over seeds."""
    head = [
        "way",
        "seeds",
        "MB up of a site",
        "CPU s",
        "largest error",
        "epsilon spent",
        "test loss",
    ]
    groups: dict[str, list[Row]] = {}
    for row in read("federated_privacy"):
        groups.setdefault(row["way"], []).append(row)
    lines = []
    for way in sorted(groups, key=WAYS.index):
        rows = groups[way]
        error = f"{max(float(row['error']) for row in rows):.1e}" if rows[0]["error"] else ""
        spent = f"{max(float(row['epsilon']) for row in rows):.2f}" if rows[0]["epsilon"] else ""
        size = f"{float(rows[0]['MB up']):.1f}" if rows[0]["MB up"] else ""
        taken = f"{mean(float(row['CPU s']) for row in rows):.1f}"
        loss = spread([float(row["score"]) for row in rows], ".3f")
        lines.append([way, str(len(rows)), size, taken, error, spent, loss])
    return table(head, lines)


TABLES: Tables = {
    "federated": fields,
    "federated_rate": rates,
    "federated_adapters": adapters,
    "federated_checks": checks,
    "federated_privacy": privacy,
}
