"""Does pretraining pay at equal steps? Frozen Tadpole with mixed fields, and its random twin.

    python benchmarks/pde_pretraining.py        # about six minutes on one core

The rows of `pde_dynamics.py` have equal CPU seconds, in which a busy machine makes fewer steps.
Here both make the same steps on the same pairs and noise, at the rate that was chosen there.
Nothing is tuned. Rows that the file holds are not measured again.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import torch
from lora.timing import Row, machine, write
from pde_dynamics import CHOSEN, NETWORKS
from pde_dynamics_parts import data_of, next_error, trained

RESULTS = Path(__file__).parent / "results" / "pde_pretraining.csv"
STEPS = 120
TWINS = ("random weights, mixed", "Tadpole, mixed")


def main() -> None:
    """Measure what is missing, print and write each row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--equations", nargs="*", default=["kolmogorov_flow"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    made: list[Row] = []
    if RESULTS.is_file():
        with RESULTS.open(encoding="utf-8") as file:
            made += csv.DictReader(file)
    known = {(row["equation"], row["method"], str(row["seed"])) for row in made}
    for name in options.equations:
        for seed in options.seeds:
            test = data_of(name, seed).trajectories("test")
            for title in TWINS:
                if (name, title, str(seed)) in known:
                    continue
                lr = CHOSEN[title, False]
                model = trained(NETWORKS[title], name, seed, 8, lr, 0.0, steps=STEPS)
                row: Row = {"device": "cpu", "equation": name, "method": title, "seed": seed}
                row |= {"steps": STEPS, "next": f"{next_error(model, test):.4f}"}
                print(row, flush=True)
                made.append(row | machine("cpu"))
                write(RESULTS, made, "cpu")


if __name__ == "__main__":
    main()
