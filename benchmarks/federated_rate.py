"""Choose the rates of biomed and bangla for the benchmark of federation.

    python benchmarks/federated_rate.py
    python benchmarks/federated_rate.py --fields biomed --adapter ia3

The rule: the rate is the one of four with which the pooled model has the smallest loss. It is
chosen on the sites of seed 100, whose data the benchmark does not use. Sites alone and rounds were
not looked at. federated_sites.py holds what was chosen.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

from federated import Row, settings_of, write
from federated_sites import FIELDS, sites_for
from runner import option, parsed

from scionwood_federated import Plan, simulate
from scionwood_federated.simulation.report import rows_of

RATES = {"lora": ("5e-4", "1e-3", "2e-3", "5e-3"), "ia3": ("2e-3", "5e-3", "1e-2", "2e-2")}
SEED = 100
KEY = ("field", "adapter", "rate")


def pooled(field: str, adapter: str, rate: str, work: Path) -> Row:
    """Return the row of a rate."""
    way, overrides = sites_for(field, work, SEED)
    settings = [*overrides, *settings_of(field, "exact", adapter, SEED), f"task.lr={rate}"]
    plan = Plan(rounds=15, steps=FIELDS[field]["steps"], score_every=15)
    out = work / f"rate-{field}-{adapter}-{rate}"
    recipe = FIELDS[field]["recipe"]
    comparison = simulate(
        recipe, out, plan, sites=way, compare=["pooled"], override=settings, seed=SEED,
        resume=out.exists(),
    )  # fmt: skip
    row = rows_of(comparison)[0]
    return {
        "field": field,
        "adapter": adapter,
        "rate": rate,
        "score": row["score"],
        "CPU s": row["CPU s"],
    }


def main() -> None:
    """Measure, and write the CSV."""
    options = parsed(
        __doc__,
        option("--fields", nargs="+", choices=FIELDS, default=["biomed", "bangla"]),
        option("--adapter", choices=RATES, default="lora"),
        option("--work", type=Path, default=Path("runs/federated")),
        threads=None,
    )
    for field, rate in product(options.fields, RATES[options.adapter]):
        row = pooled(field, options.adapter, rate, options.work)
        write("federated_rate", [row], KEY)


if __name__ == "__main__":
    main()
