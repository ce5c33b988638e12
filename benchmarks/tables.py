"""Write the tables of results into the READMEs, from the CSVs beside this file.

    python benchmarks/tables.py

A table stands between `<!-- table: NAME -->` and `<!-- end -->`; a test compares both.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean, median, stdev

HERE = Path(__file__).parent
RESULTS = HERE / "results"
ROOT = HERE.parent
PAGES = [
    ROOT / page
    for page in (
        "README.md",
        "plugins/seismic/README.md",
        "docs/kernels.md",
        "docs/methods.md",
    )
]
MARK = re.compile(r"(<!-- table: ([a-z_]+) -->\n).*?(<!-- end -->)", re.DOTALL)
Row = dict[str, str]

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

RIVALS = ("frozen", "full fine-tuning", "peft", "peft, bf16 adapters")
LAYER_RIVALS = (*RIVALS, "peft, compiled", "addmm by hand", "ours, dropout", "peft, dropout")
STEP_RIVALS = (*RIVALS, "ours, float32")
KEPT = (*RIVALS, "ours")

ARMS = ("LoRA + head", "full", "frozen + head", "scratch")
LIGHT_ARMS = ("LoRA + light head", "full, light head", "frozen + light head", "scratch, light head")


def accuracy() -> str:
    """SNR by noise class and method; the best of a row in bold."""
    rows = _read("seismic_accuracy")
    kinds = [k for k in dict.fromkeys(row["noise"] for row in rows) if k != "none"]
    lines = []
    for kind in kinds:
        scores = {name: _by_seed(rows, name, kind) for name in CLASSICAL}
        lines.append([kind.replace("_", " "), *_cells(scores)])
    scores = {name: _by_seed(rows, name, *kinds) for name in CLASSICAL}
    lines.append(["**mean**", *_cells(scores)])
    return _table(["noise", *CLASSICAL.values()], lines)


def peft() -> str:
    """What trains, and what that scores: mean over noise classes, and the difference to LoRA."""
    rows = [row for row in _read("seismic_accuracy") if row["noise"] != "none"]
    kinds = list(dict.fromkeys(row["noise"] for row in rows))
    lines = []
    for name in (*ARMS, *LIGHT_ARMS, "U-Net"):
        (first, *_) = (row for row in rows if row["method"] == name)
        trained, total = int(first["trained"]), int(first["parameters"])
        scores = _by_seed(rows, name, *kinds)
        ours = _by_seed(rows, (LIGHT_ARMS if name in LIGHT_ARMS else ARMS)[0], *kinds)
        gaps = [a - b for a, b in zip(scores, ours, strict=True)]
        share = f"{trained:,} of {total:,} ({trained / total:.1%})"
        gap = _spread(gaps, "+.2f") if any(gaps) else ""
        lines.append([name, share, str(len(scores)), _spread(scores, ".2f"), gap])
    head = ["what trains", "trained parameters of all", "seeds", "SNR, dB", "minus LoRA, dB"]
    return _table(head, lines)


def harm() -> str:
    """What happens to a gather without noise, and to amplitudes."""
    rows = [row for row in _read("seismic_accuracy") if row["method"] == "LoRA + head"]
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
    return _table(["measure", "value"], lines)


def leakage() -> str:
    """What is lost, beside band-pass + SSA of the rank that removes as much noise, by class."""
    rows = [row for row in _read("seismic_accuracy") if row["noise_removed"]]
    columns = ("noise_removed", "signal_removed", "local_similarity", "ms_ssim_r")
    lines = []
    for kind in dict.fromkeys(row["noise"] for row in rows):
        some = [row for row in rows if row["noise"] == kind]
        pairs = [[mean(float(r[c + end]) for r in some) for end in ("", "_ssa")] for c in columns]
        lines.append([kind.replace("_", " "), *(f"{a:z.3f} / {b:z.3f}" for a, b in pairs)])
    head = ["noise", "noise removed", "signal removed", "local similarity", "MS-SSIM-R"]
    return _table(head, lines)


def tta() -> str:
    """Gains of test-time adaptation by objective and noise."""
    rows = _read("seismic_tta")
    groups = dict.fromkeys((row["objective"], row["noise"]) for row in rows)
    lines = []
    for objective, noise in groups:
        some = [r for r in rows if (r["objective"], r["noise"]) == (objective, noise)]
        lines.append([objective, noise, *_gains(some)])
    shifted = [r for r in rows if r["objective"] == "matched" and r["noise"] != "erratic"]
    lines.append(["matched", "**both unseen classes**", *_gains(shifted)])
    head = ["objective", "noise", "gathers", "SNR before, dB", "median gain", "worst", "adapted"]
    return _table(head, lines)


def io() -> str:
    """Throughput and memory with large SEG-Y files."""
    lines = [
        [
            f"{row['measure']}, {float(row['gigabytes']):g} GB",
            row["tool"],
            row["median"],
            row["unit"],
        ]
        for row in _read("seismic_io")
    ]
    return _table(["measure", "tool", "median", "unit"], lines)


def lora_layer() -> str:
    """Forward and backward of one layer: peers over ours, and our error over eager's."""
    rows = [r for r in _read("lora_layer") if r["note"] or r["pass"] == "forward+backward"]
    keys, lines = ("device", "dtype", "layer", "rank"), []
    for key, found in _grouped(rows, *keys):
        times = [_interval(found.get(name)) for name in LAYER_RIVALS]
        ours = found["ours"]
        lines.append([*key, f"{float(ours['median_ms']):.1f}", *times, ours["error_over_eager"]])
    return _table([*keys, "ours, ms", *LAYER_RIVALS, "error over eager's"], lines)


def lora_step() -> str:
    """A training step: peers over ours."""
    rows = [row for row in _read("lora_step") if row["pass"] == "step"]
    keys, lines = ("device", "model", "regime", "targets"), []
    for key, found in _grouped(rows, *keys):
        times = [_interval(found.get(name)) for name in STEP_RIVALS]
        lines.append([*key, f"{float(found['ours']['median_ms']):.0f}", *times])
    return _table([*keys, "ours, ms", *STEP_RIVALS], lines)


def lora_memory() -> str:
    """MiB kept for the backward pass."""
    keys, lines = ("device", "model", "regime", "targets", "dropout"), []
    for key, found in _grouped(_read("lora_memory"), *keys):
        sizes = [f"{float(found[n]['mib']):.1f}" if n in found else "" for n in KEPT]
        lines.append([*key, *sizes, found["ours"]["over_frozen"]])
    return _table([*keys, *KEPT, "ours over frozen"], lines)


def prefix_cache() -> str:
    """A step with the last blocks adapted, and the features of the others kept."""
    lines = [
        [
            row["rival"],
            row["median_s"],
            f"{row['times_faster']} ({row['ci_low']} to {row['ci_high']})",
            row["bytes_a_sample"],
            row["gradient_error"],
        ]
        for row in _read("prefix_cache")
    ]
    head = ["ViT-S/16, last 4 blocks, batch 8", "step, s", "times faster", "bytes a sample"]
    return _table([*head, "gradient's error"], lines)


def continual() -> str:
    """Accuracy and forgetting after five tasks in a row."""
    lines = []
    rows = _read("continual")
    for arm in dict.fromkeys(row["arm"] for row in rows):
        found = [row for row in rows if row["arm"] == arm]
        numbers = [
            _spread([float(row[name]) for row in found if row[name]], ".3f")
            if all(row[name] for row in found)
            else ""
            for name in ("average_accuracy", "forgetting", "learnt", "plain_digits")
        ]
        lines.append([arm, *numbers, max((row["trained"] for row in found), key=int)])
    head = [
        "method",
        "average accuracy",
        "forgetting",
        "accuracy once learnt",
        "first task at the end",
    ]
    return _table([*head, "trained a task"], lines)


def unir() -> str:
    """The rewards of a base alone, and with a reasoner before and after its training."""
    lines = []
    rows = _read("unir")
    for arm in dict.fromkeys(row["arm"] for row in rows):
        found = [row for row in rows if row["arm"] == arm]
        columns = ("base", "before", "after")
        rewards = [_spread([float(row[name]) for row in found], ".3f") for name in columns]
        lines.append([arm, *rewards, found[0]["trained"]])
    head = ["what trains", "base alone", "with the reasoner, before", "after", "trained"]
    return _table(head, lines)


TABLES: dict[str, Callable[[], str]] = {
    "accuracy": accuracy,
    "peft": peft,
    "harm": harm,
    "leakage": leakage,
    "tta": tta,
    "io": io,
    "lora_layer": lora_layer,
    "lora_step": lora_step,
    "lora_memory": lora_memory,
    "prefix_cache": prefix_cache,
    "continual": continual,
    "unir": unir,
}


def fill(text: str) -> str:
    """The page with every table made anew."""
    return MARK.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], text)


def _grouped(rows: Sequence[Row], *keys: str) -> list[tuple[tuple[str, ...], dict[str, Row]]]:
    """Rows by arm for every combination of the keys' values, in the order of the file."""
    groups: dict[tuple[str, ...], dict[str, Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), {})[row["arm"]] = row
    return list(groups.items())


def _interval(row: Row | None) -> str:
    """A ratio and its 95 % interval; empty where the arm did not run."""
    if row is None or not row["times_ours"]:
        return ""
    middle, low, high = (float(row[name]) for name in ("times_ours", "ci_low", "ci_high"))
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


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


def _read(name: str) -> list[Row]:
    with (RESULTS / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _by_seed(rows: Sequence[Row], method: str, *kinds: str) -> list[float]:
    """The mean over gathers for each seed."""
    some = [row for row in rows if row["method"] == method and row["noise"] in kinds]
    seeds = sorted({row["seed"] for row in some})
    return [mean(float(row["snr"]) for row in some if row["seed"] == seed) for seed in seeds]


def _cells(scores: dict[str, list[float]]) -> list[str]:
    top = max(mean(values) for values in scores.values())
    return [
        f"**{_spread(values, 'z.1f')}**" if mean(values) == top else _spread(values, "z.1f")
        for values in scores.values()
    ]


def _spread(values: Sequence[float], form: str) -> str:
    """Mean and standard deviation over seeds."""
    return f"{mean(values):{form}} ± {stdev(values):{form.lstrip('+z')}}"


def _quantiles(values: Sequence[float]) -> tuple[str, str]:
    ordered = sorted(values)
    return f"{ordered[len(ordered) // 20]:.3f}", f"{ordered[-1 - len(ordered) // 20]:.3f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    for page in PAGES:
        page.write_text(fill(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
