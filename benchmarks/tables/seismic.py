"""Tables of the seismic plugin: accuracy, adapters, leakage, adaptation, throughput."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, median

from seismic_field_tables import TABLES as FIELD
from seismic_inputs_tables import TABLES as INPUTS
from text import Row, Tables, read, spread, table

CLASSICAL = {
    "identity": "input",
    "band-pass": "band-pass",
    "median 5": "median",
    "f-k": "f-k",
    "f-x SSA": "f-x SSA",
    "bp + SSA": "bp + SSA",
    "TV": "TV",
    "common-mode": "common-mode",
    "U-Net": "U-Net",
    "LoRA + head": "Scionwood",
}

METHODS = ("LoRA + head", "full", "frozen + head", "scratch")
LIGHT_METHODS = (
    "LoRA + light head",
    "full, light head",
    "frozen + light head",
    "scratch, light head",
)


def accuracy() -> str:
    """SNR by noise class and method; the best method of a row is in bold."""
    rows = read("seismic_accuracy")
    kinds = [k for k in dict.fromkeys(row["noise"] for row in rows) if k != "none"]
    lines = []
    for kind in kinds:
        scores = {name: _by_seed(rows, name, kind) for name in CLASSICAL}
        lines.append([kind.replace("_", " "), *_cells(scores)])
    scores = {name: _by_seed(rows, name, *kinds) for name in CLASSICAL}
    lines.append(["**mean**", *_cells(scores)])
    return table(["noise", *CLASSICAL.values()], lines)


def accuracy_summary() -> str:
    """SNR by noise class: the best classical method, the U-Net, and this plugin."""
    rows = read("seismic_accuracy")
    kinds = [k for k in dict.fromkeys(row["noise"] for row in rows) if k != "none"]
    lines = [_summary(rows, kind.replace("_", " "), kind) for kind in kinds]
    lines.append(_summary(rows, "**mean**", *kinds))
    head = ["noise", "best classical method", "its SNR", "U-Net", "Scionwood"]
    return table(head, lines)


def _summary(rows: Sequence[Row], label: str, *kinds: str) -> list[str]:
    scores = {name: _by_seed(rows, name, *kinds) for name in CLASSICAL}
    network, ours = scores.pop("U-Net"), scores.pop("LoRA + head")
    best = max(scores, key=lambda name: mean(scores[name]))
    values = [spread(x, "z.1f") for x in (scores[best], network, ours)]
    return [label, CLASSICAL[best], *values]


def peft() -> str:
    """SNR by what trains: mean over noise classes, and the difference from LoRA."""
    rows = [row for row in read("seismic_accuracy") if row["noise"] != "none"]
    kinds = list(dict.fromkeys(row["noise"] for row in rows))
    lines = []
    for name in (*METHODS, *LIGHT_METHODS, "U-Net"):
        (first, *_) = (row for row in rows if row["method"] == name)
        trained, total = int(first["trained"]), int(first["parameters"])
        scores = _by_seed(rows, name, *kinds)
        ours = _by_seed(rows, (LIGHT_METHODS if name in LIGHT_METHODS else METHODS)[0], *kinds)
        gaps = [a - b for a, b in zip(scores, ours, strict=True)]
        share = f"{trained:,} of {total:,} ({trained / total:.1%})"
        gap = spread(gaps, "+.2f") if any(gaps) else ""
        lines.append([name, share, str(len(scores)), spread(scores, ".2f"), gap])
    head = ["what trains", "trained parameters of all", "seeds", "SNR, dB", "minus LoRA, dB"]
    return table(head, lines)


def harm() -> str:
    """SNR of gathers without noise, and changes of amplitude."""
    rows = [row for row in read("seismic_accuracy") if row["method"] == "LoRA + head"]
    alone = [float(row["snr"]) for row in rows if row["noise"] == "none"]
    ratios = [float(row["amplitude_ratio"]) for row in rows if row["noise"] != "none"]
    above = sum(x >= 20 for x in alone)
    lines = [
        ["SNR of a gather without noise, dB: mean", f"{mean(alone):.1f}"],
        ["the same: lowest", f"{min(alone):.1f}"],
        ["the same: 20 dB or more", f"{above} of {len(alone)}"],
        ["RMS of the result over that of the clean gather: median", f"{median(ratios):.3f}"],
        ["the same: 5 % and 95 % quantile", " to ".join(_quantiles(ratios))],
    ]
    return table(["measure", "value"], lines)


def leakage() -> str:
    """Leakage by noise class, compared with band-pass + SSA that removes as much noise."""
    rows = [row for row in read("seismic_accuracy") if row["noise_removed"]]
    columns = ("noise_removed", "signal_removed", "local_similarity", "ms_ssim_r")
    lines = []
    for kind in dict.fromkeys(row["noise"] for row in rows):
        some = [row for row in rows if row["noise"] == kind]
        pairs = [[mean(float(r[c + end]) for r in some) for end in ("", "_ssa")] for c in columns]
        lines.append([kind.replace("_", " "), *(f"{a:z.3f} / {b:z.3f}" for a, b in pairs)])
    head = ["noise", "noise removed", "signal removed", "local similarity", "MS-SSIM-R"]
    return table(head, lines)


def tta() -> str:
    """Gains of test-time adaptation by objective and noise."""
    rows = read("seismic_tta")
    groups = dict.fromkeys((row["objective"], row["noise"]) for row in rows)
    lines = []
    for objective, noise in groups:
        some = [r for r in rows if (r["objective"], r["noise"]) == (objective, noise)]
        lines.append([objective, noise, *_gains(some)])
    shifted = [r for r in rows if r["objective"] == "matched" and r["noise"] != "erratic"]
    lines.append(["matched", "**both unseen classes**", *_gains(shifted)])
    head = ["objective", "noise", "gathers", "SNR before, dB", "median gain", "worst", "adapted"]
    return table(head, lines)


def io() -> str:
    """Throughput and memory with large SEG-Y files."""
    lines = [
        [
            f"{row['measure']}, {float(row['gigabytes']):g} GB",
            row["tool"],
            row["median"],
            row["unit"],
        ]
        for row in read("seismic_io")
    ]
    return table(["measure", "tool", "median", "unit"], lines)


def _gains(rows: Sequence[Row]) -> list[str]:
    gains = [float(row["gain"]) for row in rows]
    before = mean(float(row["snr"]) for row in rows)
    adapted = sum(row["verdict"] == "adapted" for row in rows)
    return [
        str(len(rows)),
        f"{before:.1f}",
        f"{median(gains):+.2f}",
        f"{min(gains):+.2f}",
        f"{adapted} of {len(rows)}",
    ]


def _by_seed(rows: Sequence[Row], method: str, *kinds: str) -> list[float]:
    """Return the mean over gathers for each seed."""
    some = [row for row in rows if row["method"] == method and row["noise"] in kinds]
    seeds = sorted({row["seed"] for row in some})
    return [mean(float(row["snr"]) for row in some if row["seed"] == seed) for seed in seeds]


def _cells(scores: dict[str, list[float]]) -> list[str]:
    top = max(mean(values) for values in scores.values())
    return [
        f"**{spread(values, 'z.1f')}**" if mean(values) == top else spread(values, "z.1f")
        for values in scores.values()
    ]


def _quantiles(values: Sequence[float]) -> tuple[str, str]:
    ordered = sorted(values)
    return f"{ordered[len(ordered) // 20]:.3f}", f"{ordered[-1 - len(ordered) // 20]:.3f}"


TABLES: Tables = {
    "accuracy": accuracy,
    "accuracy_summary": accuracy_summary,
    "peft": peft,
    "harm": harm,
    "leakage": leakage,
    "tta": tta,
    "io": io,
    **FIELD,
    **INPUTS,
}
