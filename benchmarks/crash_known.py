"""Compare regressions of the maximum intrusion with the shipped network on the families it knows.

    python benchmarks/crash_known.py --work crash-suite

The designs are of seed 300, which the network has not seen. A regression is fitted to 28 designs of
one family and tested on the other 12, for five draws. The network had 600 hats, 375 tubes and 400
boxes in its training, and is tested on the same 12. Designs whose hourglass energy exceeds 10 % are
left out. Writes benchmarks/results/crash_known.csv.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from crash_training import ENCODER, PRETRAINED, SIZE, WORK, parts
from runner import Row, machine, out, parsed, write

from scionwood_crash.backbones import MaskMorphUNet
from scionwood_crash.data.encode import Encoded
from scionwood_crash.evaluation.metrics import measure
from scionwood_crash.evaluation.regression import BASELINES, Regression, deepest

SEED, DESIGNS, TEST, DRAWS = 300, 40, 12, 5


@torch.no_grad()
def network(data: list[Encoded]) -> np.ndarray:
    """Return the intrusion error of the shipped network on each design, percent."""
    model = MaskMorphUNet(size=SIZE, weights="shipped").eval()
    errors = [measure(model(*item.graph), item.displacement, item.graph) for item in data]
    return np.array([float(error["intrusion_error"]) for error in errors])


def rows(family: str, work: Path) -> list[Row]:
    """Return the errors of all methods on the tests of all draws."""
    data = [ENCODER.encode(part) for part in parts(family, work, DESIGNS, SEED)]
    table = list[Row]()
    true, predicted_depth = deepest(data), network(data)
    for draw in range(DRAWS):
        order = np.random.default_rng([draw, 4]).permutation(len(data))
        test, train = order[:TEST], [data[at] for at in order[TEST:]]
        about: Row = {"family": family, "draw": draw, "designs": len(train)}
        for name in BASELINES:
            predicted = Regression(name).fit(train).predict([data[at] for at in test])
            error = float(100 * np.mean(np.abs(predicted - true[test]) / true[test]))
            table.append({**about, "method": name, "intrusion_error": error})
        table.append(
            {**about, "method": "network", "intrusion_error": float(predicted_depth[test].mean())}
        )
    return table


def main() -> None:
    options = parsed(__doc__, WORK, out("crash_known"))
    table = [row | machine() for family in PRETRAINED for row in rows(family, options.work)]
    write(options.out, table)


if __name__ == "__main__":
    main()
