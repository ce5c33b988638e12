"""
Which adapter for my data?
==========================

What each method gained in three tasks of the study, and how much of the old task it lost. The
measurements are the file ``benchmarks/results/methods.csv`` of the repository.
"""

# %%
# The mean over three seeds of each method. Of two variants of a method, the one with more gain.
import csv
from pathlib import Path
from statistics import mean

TASKS = {"vision": "#0072B2", "mesh": "#D55E00", "language": "#009E73"}
METHODS = {
    "lora": "LoRA",
    "dora": "DoRA",
    "hira": "HiRA",
    "disel": "DISeL",
    "smoa": "SMoA",
    "loft": "LOFT",
    "ia3": "IA3",
    "partial": "partial",
    "head-only": "last layer alone",
    "full-finetuning": "full fine-tuning",
}
with Path("../../benchmarks/results/methods.csv").open(encoding="utf-8") as file:
    rows = [row for row in csv.DictReader(file) if row["status"] == "success"]


def measured(task, method, column):
    """Mean of a column for each variant of a method."""
    chosen = [row for row in rows if (row["task"], row["method"]) == (task, method)]
    names = sorted({row["name"] for row in chosen})
    return [mean(float(row[column]) for row in chosen if row["name"] == name) for name in names]


# %%
# Gain is the improvement of the score as a share of full fine-tuning's. Forgetting is the rise of
# the old task's loss, as a multiple of LoRA's.
points = {}
for task in TASKS:
    (untouched,) = measured(task, "frozen", "score")
    (full,) = measured(task, "full-finetuning", "score")
    (lora,) = measured(task, "lora", "forgetting")
    for method in METHODS:
        gains = [(s - untouched) / (full - untouched) for s in measured(task, method, "score")]
        losses = [f / lora for f in measured(task, method, "forgetting")]
        points[task, method] = max(zip(gains, losses, strict=True))

# %%
# Right is better in the left panel, left is better in the right panel.
import matplotlib.pyplot as plt

figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained", sharey=True)
for shift, (task, colour) in zip((-0.2, 0, 0.2), TASKS.items(), strict=True):
    places = [place + shift for place in range(len(METHODS))]
    for axis, column in zip(axes, (0, 1), strict=True):
        values = [points[task, method][column] for method in METHODS]
        axis.plot(values, places, "o", color=colour, label=task)
axes[0].set_yticks(range(len(METHODS)), METHODS.values())
axes[0].invert_yaxis()
axes[0].axvline(1, color="0.5", lw=0.8, ls="--")
axes[1].axvline(1, color="0.5", lw=0.8, ls="--")
axes[0].set_xlabel("gain (share of full fine-tuning's)")
axes[1].set(xlabel="forgetting (multiple of LoRA's)", xscale="log")
axes[1].set_xticks((0.5, 1, 2, 5, 10), ("0.5", "1", "2", "5", "10"))
for axis in axes:
    axis.grid(axis="y", alpha=0.3)
axes[0].legend()
plt.show()
