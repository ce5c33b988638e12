"""Compare regressions of the maximum intrusion with the shipped network on the families it knows.

    python benchmarks/crash_known.py --work crash-suite

The designs are of seed 300, which the network has not seen. A regression is fitted to 28 designs of
one family and tested on the other 12, for five draws. The network had 600 hats, 375 tubes and 400
boxes in its training, and is tested on the same 12. Designs whose hourglass energy exceeds 10 % are
left out. Writes benchmarks/results/crash_known.csv.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from crash_suite_data import ELEMENTS, ENCODER, PRETRAINED, SIZE
from lora.timing import Row, machine, replace_rows

from scionwood_crash.backbones import MaskMorphUNet
from scionwood_crash.data.encode import Encoded
from scionwood_crash.data.suite import SuiteParts
from scionwood_crash.evaluation.metrics import measure
from scionwood_crash.evaluation.regression import BASELINES, Regression, deepest

RESULTS = Path(__file__).parent / "results" / "crash_known.csv"
SEED, DESIGNS, TEST, DRAWS = 300, 40, 12, 5


def designs(family: str, work: Path) -> list[Encoded]:
    """Return the designs of a family; those that the folder lacks are simulated."""
    options = {"element_size": ELEMENTS[family], "folder": work, "n_train": DESIGNS, "seed": SEED}
    parts = SuiteParts(families=[family], n_val=0, n_test=0, **options).parts("train")
    return [ENCODER.encode(part) for part in parts]


@torch.no_grad()
def network(data: list[Encoded]) -> np.ndarray:
    """Return the intrusion error of the shipped network on each design, percent."""
    model = MaskMorphUNet(size=SIZE, weights="shipped").eval()
    errors = [measure(model(*each.graph), each.displacement, each.graph) for each in data]
    return np.array([float(error["intrusion_error"]) for error in errors])


def rows(family: str, work: Path) -> list[Row]:
    """Return the errors of all methods on the tests of all draws."""
    data, made = designs(family, work), list[Row]()
    true, own = deepest(data), network(data)
    for draw in range(DRAWS):
        order = np.random.default_rng([draw, 4]).permutation(len(data))
        test, train = order[:TEST], [data[at] for at in order[TEST:]]
        about: Row = {"family": family, "draw": draw, "designs": len(train)}
        for name in BASELINES:
            given = Regression(name).fit(train).predict([data[at] for at in test])
            error = float(100 * np.mean(np.abs(given - true[test]) / true[test]))
            made.append({**about, "method": name, "intrusion_error": error})
        made.append({**about, "method": "network", "intrusion_error": float(own[test].mean())})
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("crash-suite"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = [row | machine("cpu") for family in PRETRAINED for row in rows(family, options.work)]
    replace_rows(options.out, found)


if __name__ == "__main__":
    main()
