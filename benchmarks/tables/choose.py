"""The table that helps to choose a method: gain, forgetting and time beside those of LoRA."""

from __future__ import annotations

from statistics import mean

from text import Row, Tables, read, table

TASKS = ("vision", "mesh", "language")
"""The tasks on which methods differ by more than their spread over seeds."""
NAMES = {
    "lora": "LoRA",
    "dora": "DoRA",
    "hira": "HiRA",
    "disel": "DISeL",
    "smoa": "SMoA",
    "loft": "LOFT",
    "ia3": "IA3",
    "partial": "`partial`",
    "head-only": "last layer alone",
    "full-finetuning": "full fine-tuning",
}


def choose() -> str:
    """Gain, forgetting and time of the main methods; of two variants, the better one."""
    rows = [row for row in read("methods") if row["status"] == "success"]
    groups = {
        (task, name): _best(rows, task, name) for task in TASKS for name in (*NAMES, "frozen")
    }
    lines = []
    for name, title in NAMES.items():
        gains = [_gain(groups, task, name) for task in TASKS]
        losses = [
            _mean(groups[task, name], "forgetting") / _mean(groups[task, "lora"], "forgetting")
            for task in TASKS
        ]
        steps = [float(groups[task, name][0]["step_over_lora"]) for task in TASKS]
        cells = [*(f"{gain:.0%}" for gain in gains), *(f"{loss:.2f}" for loss in losses)]
        lines.append([title, *cells, f"{mean(steps):.2f}"])
    head = [f"{kind}, {task}" for kind in ("gain", "forgetting") for task in TASKS]
    return table(["method", *head, "step"], lines)


def _best(rows: list[Row], task: str, method: str) -> list[Row]:
    chosen = [row for row in rows if (row["task"], row["method"]) == (task, method)]
    sign = 1 if task == "vision" else -1  # accuracy; errors
    variants = {row["name"]: [r for r in chosen if r["name"] == row["name"]] for row in chosen}
    return max(variants.values(), key=lambda group: sign * _mean(group, "score"))


def _gain(groups: dict[tuple[str, str], list[Row]], task: str, method: str) -> float:
    score, untouched, full = (
        _mean(groups[task, name], "score") for name in (method, "frozen", "full-finetuning")
    )
    return (score - untouched) / (full - untouched)


def _mean(group: list[Row], column: str) -> float:
    return mean(float(row[column]) for row in group)


TABLES: Tables = {"choose": choose}
