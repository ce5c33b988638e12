"""LoRA beside full tuning at equal depth: both in all thirty blocks of SmolLM2.

    pip install -e 'plugins/language[language-demo]' -e plugins/methods
    python benchmarks/language_depth.py               # half an hour on one idle core

`benchmarks/language.py` has the data, the scores, and LoRA in the last six blocks. There, full
tuning of all blocks takes a rate that was chosen for six. Here both ways train all blocks, for the
same steps on the same examples, and both choose their rate alike: six rates, each twice the one
before, none added; all steps with another seed; the lowest loss on the validation split. A best
rate at an end of the six is said in the page. All of this was fixed before a test item was scored.

The row without training comes first, then LoRA with its rates and seeds, then full tuning. Each row
is written when it is done, and rows that exist are kept.
"""

from __future__ import annotations

import argparse
from math import inf, isfinite

import torch
from language import ALL, LORA, STEPS, TUNING_SEED, Bench, Method
from language_parts import Tail, append, read

RATES = 6
FIRST = {"LoRA": 5e-4, "full": 3e-5}
METHODS = {
    "LoRA": Method("lora", LORA, tuple(FIRST["LoRA"] * 2**n for n in range(RATES)), blocks=ALL),
    "full": Method("full", {}, tuple(FIRST["full"] * 2**n for n in range(RATES)), blocks=ALL),
}


def chosen(bench: Bench, name: str) -> float:
    """Return the rate of a method with the lowest validation loss, measuring what is missing."""
    losses = {
        float(row["rate"]): float(row["nats"])
        for row in read("language_depth_rates")
        if row["method"] == name
    }
    for rate in METHODS[name].rates:
        if rate not in losses:
            nats = bench.measured(METHODS[name], TUNING_SEED, rate, STEPS, "val")["nats"]
            losses[rate] = nats if isfinite(nats) else inf
            row = {"method": name, "rate": rate, "nats": f"{losses[rate]:.4f}"}
            append("language_depth_rates", row)
    return min(sorted(losses), key=losses.__getitem__)


def main() -> None:
    """Measure what is missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--model", default="smollm2", help="or a folder with the same weights")
    options = parser.parse_args()
    torch.set_num_threads(1)
    bench = Bench(options.model)
    empty = {"trained": 0, "rate": "", "s a step": "", "MiB": ""}
    if not read("language_depth"):
        scores = bench.scores(Tail(bench.model, ALL), bench.data(ALL)["test"], ALL)
        append("language_depth", {"method": "no training", "seed": "", **empty, **scores})
    for name, method in METHODS.items():
        rate = chosen(bench, name)
        for seed in options.seeds:
            known = {(row["method"], row["seed"]) for row in read("language_depth")}
            if (name, str(seed)) not in known:
                row = bench.measured(method, seed, rate, STEPS, "test")
                append("language_depth", {"method": name, "seed": seed, **row})


if __name__ == "__main__":
    main()
