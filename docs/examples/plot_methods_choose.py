"""
Which adapter for my data, and when none?
=========================================

What adapting the last blocks of a real encoder gains over the best method on frozen features, by
the number of labelled images. The measurements are the file
``benchmarks/results/study_summary.csv`` of the repository.
"""

# %%
# Each row is a method with its mean over draws, and its difference from the best frozen method with
# the 95 % interval over draws and test images.
import csv
from pathlib import Path

METHODS = {"lora": ("LoRA", "#0072B2"), "full": ("all weights of the last blocks", "#D55E00")}
TASKS = {"mni": "brain slices", "pneumonia": "chest X-rays", "noise": "seismic noise"}
with Path("../../benchmarks/results/study_summary.csv").open(encoding="utf-8") as file:
    rows = [row for row in csv.DictReader(file) if row["base"] == "real"]


def measured(task, method):
    """Rows of a method that have a reference, by the number of images."""
    chosen = [row for row in rows if (row["task"], row["method"]) == (task, method)]
    return sorted((r for r in chosen if r["less_frozen"]), key=lambda r: int(r["n"]))


# %%
# Above zero, adapting pays. Bars that cross zero leave it open.
import matplotlib.pyplot as plt

figure, axes = plt.subplots(1, 3, figsize=(10, 3.4), layout="constrained", sharey=True)
for axis, (task, title) in zip(axes, TASKS.items(), strict=True):
    for method, (label, colour) in METHODS.items():
        own = measured(task, method)
        y = [float(row["less_frozen"]) for row in own]
        low = [value - float(row["less_frozen_low"]) for value, row in zip(y, own, strict=True)]
        high = [float(row["less_frozen_high"]) - value for value, row in zip(y, own, strict=True)]
        x = [int(row["n"]) for row in own]
        axis.errorbar(x, y, [low, high], marker="o", color=colour, label=label)
    axis.axhline(0, color="0.5", lw=0.8)
    axis.set(title=title, xlabel="labelled images", xscale="log")
    axis.grid(alpha=0.3)
axes[0].set_ylabel("balanced accuracy less the best frozen")
axes[0].legend()
plt.show()
