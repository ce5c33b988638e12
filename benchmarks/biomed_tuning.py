"""Choose the hyper-parameters of `biomed.py` on training slices alone.

    python benchmarks/biomed_tuning.py     # about half an hour of one core

Methods are trained on the first slices of every training slab of `biomed_images.py`, with four per
class, and tested on the last slices. A few slices between them are left out. Test slabs are never
read.

The choice has four steps. (1) Every method except CoCoOp runs with every learning rate and number
of steps, with two seeds. The score is the mean, over methods and seeds, of the accuracy under the
training wording and under six other wordings. (2) The same score of dual anchors alone decides
whether they train under varied sentences. (3) With two shots and four seeds, the score of dual
anchors with and without LoRA decides the weight of their anchors. (4) The same decides the weight
of anchors that are kept for inference; the steps before have none. The script writes
biomed_tuning.csv.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from statistics import mean

from biomed import RESULTS, Row, Towers, provenance, write
from biomed_images import write_slices
from biomed_towers import write_towers
from rich.progress import track
from runner import option, parsed, read

from scionwood_biomed.data.images import Images
from scionwood_biomed.evaluation.compare import Plan, evaluate
from scionwood_biomed.evaluation.methods import FROZEN, METHODS, OTHERS
from scionwood_biomed.evaluation.settings import DEFAULTS, Settings

RATES, STEPS, VARIED = (1e-3, 2e-3, 4e-3), (50, 100), (True, False)
ANCHORS = (1.0, 0.25, 0.0625)
KEEP = (0.0, 0.25, 0.5, 0.75)
SHOTS, SEEDS = 4, (0, 1)
FEW, MORE_SEEDS = 2, (0, 1, 2, 3)
LEARNED, TESTED = 0.5, 0.3
"""Share of the slices of a training slab for training (the first) and for testing (the last)."""
LEFT_OUT = (*FROZEN, *OTHERS, "single_template_kept", "dual_anchor_loss")
TRAINED = [m for m in METHODS if m not in LEFT_OUT]
"""The linear probe has none of these settings. Without kept anchors, two methods equal others."""
ANCHORED = "dual_anchor"
BOTH = ["dual_anchor", "dual_anchor_lora"]


def tuning_table(folder: Path) -> Path:
    """Write a table of the training slices, split along each slab."""
    classes: dict[str, list[Row]] = defaultdict(list)
    for row in read(folder / "slices.csv"):
        if row["split"] == "train":
            classes[row["label"]].append(row)
    table: list[Row] = []
    for rows in classes.values():
        parts = {
            "train": rows[: int(LEARNED * len(rows))],
            "test": rows[-int(TESTED * len(rows)) :],
        }
        for name, part in parts.items():
            table += [{**r, "split": name, "subject": f"{r['subject']}, {name}"} for r in part]
    path = folder / "tuning.csv"
    write(path, table)
    return path


def settings() -> list[tuple[Settings, list[str]]]:
    """Return every setting with the methods that it affects."""
    pairs = []
    for lr, steps, varied in product(RATES, STEPS, VARIED):
        methods = TRAINED if varied else [ANCHORED]
        setting = Settings(lr=lr, steps=steps, varied=varied, anchors=ANCHORS[0], keep=0.0)
        pairs.append((setting, methods))
    return pairs


def score(rows: Sequence[Row]) -> float:
    """Return the mean accuracy under the training wording and under the six other wordings."""
    return mean((float(r["accuracy"]) + float(r["wording_mean"])) / 2 for r in rows)


def chosen(rows: Sequence[Row]) -> tuple[float, int, bool]:
    """Return the rate, the steps, and whether dual anchors train under varied sentences."""

    def of(lr: float, steps: int, varied: bool, methods: Sequence[str]) -> list[Row]:
        expected = (f"{lr:g}", str(steps), str(varied))
        return [
            r
            for r in rows
            if (f"{float(r['lr']):g}", str(r["steps"]), str(r["varied"])) == expected
            and r["method"] in methods
            and str(r["shots"]) == str(SHOTS)
        ]

    lr, steps = max(product(RATES, STEPS), key=lambda pair: score(of(*pair, True, TRAINED)))
    varied = max(VARIED, key=lambda value: score(of(lr, steps, value, [ANCHORED])))
    return lr, steps, varied


def best(rows: Sequence[Row], name: str, values: Sequence[float]) -> float:
    """Return the value of an option with the best score over dual anchors with and without LoRA."""
    return max(values, key=lambda value: score([r for r in rows if float(r[name]) == value]))


def main() -> None:
    options = parsed(
        __doc__,
        option("--work", type=Path, default=Path("runs/biomed-benchmark")),
        option("--results", type=Path, default=RESULTS),
        threads=None,
    )
    work: Path = options.work
    write_slices(work)
    towers = Towers(write_towers(work / "towers"))
    data = Images(source=tuning_table(work), size=towers.first.size)
    rows: list[Row] = []

    def run(setting: Settings, methods: Sequence[str], shots: int, seeds: Sequence[int]) -> None:
        results = evaluate(Plan(methods, (shots,), seeds, setting), data, towers)
        names = ("lr", "steps", "varied", "anchors", "keep")
        about = {name: getattr(setting, name) for name in names}
        rows.extend({**about, **row, **provenance()} for row in results)
        write(options.results / "biomed_tuning.csv", rows)

    for setting, methods in track(settings(), "settings"):
        run(setting, methods, SHOTS, SEEDS)
    lr, steps, varied = chosen(rows)
    chose = replace(DEFAULTS, lr=lr, steps=steps, varied=varied, keep=0.0)
    for anchors in track(ANCHORS, "anchors"):
        run(replace(chose, anchors=anchors), BOTH, FEW, MORE_SEEDS)
    few = [row for row in rows if row["shots"] == FEW]
    chose = replace(chose, anchors=best(few, "anchors", ANCHORS))
    for keep in track(KEEP[1:], "kept anchors"):
        run(replace(chose, keep=keep), BOTH, FEW, MORE_SEEDS)
    few = [r for r in rows if r["shots"] == FEW and r["anchors"] == chose.anchors]
    print(f"chosen: {replace(chose, keep=best(few, 'keep', KEEP))}")


if __name__ == "__main__":
    main()
