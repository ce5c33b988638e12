"""Choose the steps of a round for the field biomed-longer of the benchmark of federation.

    python benchmarks/federated_steps.py

The rule: the fewest of 4, 8 and 16 steps with which sites alone reach a mean loss of 0.9 on their
own data, or 16 if none does. A site that outlines nothing has a loss near 1. The rate is that of
biomed. The steps are chosen on the sites of seed 100, whose data the benchmark does not use, and
rounds and pooled data are not looked at. federated_sites.py holds what was chosen.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from federated import RESULTS, ROUNDS, Row, settings_of, write
from federated_rate import SEED
from federated_sites import FIELDS, sites_for

from scionwood_federated.api import Plan, simulate
from scionwood_federated.simulation.report import rows_of

FIELD = "biomed"
STEPS = (4, 8, 16)
ENOUGH = 0.9
KEY = ("field", "steps")


def alone(steps: int, work: Path) -> Row:
    """Return the row of a number of steps."""
    way, own = sites_for(FIELD, work, SEED)
    settings = [*own, *settings_of(FIELD, "exact", "lora", SEED)]
    out = work / f"steps-{FIELD}-{steps}"
    done = simulate(
        FIELDS[FIELD]["recipe"],
        way,
        out,
        plan=Plan(ROUNDS, steps),
        compare=("alone",),
        overrides=settings,
        seed=SEED,
        resume=out.exists(),
    )
    row = rows_of(done)[0]
    return {"field": FIELD, "steps": steps, "own data": row["own data"], "CPU s": row["CPU s"]}


def main() -> None:
    """Measure until it is enough, and write the CSV."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("runs/federated"))
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    for steps in STEPS:
        row = alone(steps, options.work)
        write(RESULTS / "federated_steps.csv", [row], KEY)
        if float(str(row["own data"])) <= ENOUGH:
            break


if __name__ == "__main__":
    main()
