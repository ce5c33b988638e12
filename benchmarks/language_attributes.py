"""Combine adapters that each hold one level of address, and judge the answers exactly.

    python benchmarks/language_attributes.py --work runs/attributes     # some minutes on one core

Each adapter is a run of `bangla/attribute_control` on its own level. Their sum, their mean, and
weighted means answer the same requests, and the checker counts the answers at each level. The base
without an adapter comes first. The settings were fixed before any answer was seen.
"""

from __future__ import annotations

import argparse
import csv
from contextlib import nullcontext
from pathlib import Path

from lora.timing import machine

from scionwood import compose, fit, load, load_adapter, resolve
from scionwood_bangla.checker.restate import is_right
from scionwood_bangla.data.conversations import Generated
from scionwood_bangla.inference import Decoding, Writer
from scionwood_bangla.model.weights import PLACE

RESULTS = Path(__file__).parent / "results" / "language_attributes.csv"
LEVELS = ("tui", "tumi", "apni")
MIXES: dict[str, tuple[str, dict[str, float]]] = {
    "base": ("none", {}),
    **{f"{level} alone": ("sum", {level: 1.0}) for level in LEVELS},
    "sum of all": ("sum", dict.fromkeys(LEVELS, 1.0)),
    "mean of all": ("mean", dict.fromkeys(LEVELS, 1.0)),
    "apni and tumi, mean": ("mean", {"apni": 1.0, "tumi": 1.0}),
    "apni minus half tui": ("sum", {"apni": 1.0, "tui": -0.5}),
}


def main() -> None:
    """Train what is missing, and write one row for each mix."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--n", type=int, default=30)
    options = parser.parse_args()
    for level in LEVELS:
        folder = options.work / level
        if not (folder / "adapter").is_dir():
            changes = [f"data.levels=[{level}]", "task.max_new_tokens=0", "trainer.accelerator=cpu"]
            fit(resolve("bangla/attribute_control", changes), run_dir=folder)
    model = load("backbones", "language/causal_lm")(model=PLACE)
    for level in LEVELS:
        model = load_adapter(model, options.work / level / "adapter", name=level)
    requests = [each.prompt for each in Generated(n_val=options.n, n_test=1).examples("val")]
    rows = []
    for name, (mode, weights) in MIXES.items():
        inside = compose(model, weights, mode="mean" if mode == "mean" else "sum")
        with model.disable_adapter() if mode == "none" else inside if weights else nullcontext():
            answers = Writer(model).write(requests, Decoding(max_new_tokens=72))
        shares = {
            level: sum(is_right(answer.text, frozenset({level})) for answer in answers)
            / len(answers)
            for level in LEVELS
        }
        row = {"mix": name, "n": len(answers)} | {k: f"{v:.2f}" for k, v in shares.items()}
        rows.append(row | machine("cpu"))
        print(row, flush=True)
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
