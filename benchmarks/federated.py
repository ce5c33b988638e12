"""Measure what federation gains on the recipes of four fields.

    python benchmarks/federated.py                     # all fields, three seeds
    python benchmarks/federated.py --fields seismic --rules exact factors frozen_a
    python benchmarks/federated.py --fields seismic --adapters lora ia3 --seeds 1

Sites of a recipe train alone, by rounds, and on pooled data; see `scionwood federated
simulate`. federated_sites.py says what the sites are. Every site trains for rounds times steps;
pooled trains for the steps of all sites, and pooled_equal for those of one. The settings were fixed
before any of these scores was seen; the rates of biomed and bangla were chosen on other data. With
two adapters this is the protocol of the Sherpa study: each adapter alone, by rounds and pooled,
with bytes, CPU time and peak memory.

Bad sites are measured by federated_checks.py, privacy by federated_privacy.py. What is done stays
in `--work`, and the next call goes on. Rows that the CSV holds are not measured again.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

from federated_sites import FIELDS, sites_for
from runner import Row, Table, machine, option, parsed, replace_rows, versions

import scionwood
from scionwood_federated import Comparison, Plan, simulate
from scionwood_federated.schedule import Regime
from scionwood_federated.simulation.report import rows_of

RULES = ("exact", "factors", "frozen_a")
ROUNDS = 15
REGIMES: tuple[Regime, ...] = ("alone", "federated", "pooled", "pooled_equal")
KEY = ("field", "rule", "seed", "adapter", "regime")


def settings_of(field: str, rule: str, adapter: str, seed: int) -> list[str]:
    """Return the changes of the recipe of a field."""
    override = [*FIELDS[field]["override"], f"seed={seed}"]
    if rate := FIELDS[field].get("rates", {}).get(adapter):
        override.append(f"task.lr={rate}")
    if adapter != "lora":  # IA3, which has no rank
        targets = FIELDS[field].get("targets", "all-linear")
        chosen = f"adapter={{name: {adapter}, targets: {targets}, feedforward_modules: []}}"
        return [chosen, *override]
    if rule == "frozen_a":  # it sends B alone, so that four times the rank costs twice the bytes
        rank = scionwood.resolve(FIELDS[field]["recipe"]).adapter.options["r"]
        override += [f"adapter.r={4 * rank}", f"adapter.lora_alpha={8 * rank}"]
    return override


def missing(field: str, rule: str, adapter: str, seed: int) -> list[Regime]:
    """Return the regimes whose rows the CSV lacks; rules other than exact have one."""
    table, job = Table("federated"), {"field": field, "rule": rule, "seed": seed}
    regimes = REGIMES if rule == "exact" else REGIMES[1:2]
    return [item for item in regimes if not table.has(**job, adapter=adapter, regime=item)]


def measured(
    field: str, rule: str, adapter: str, seed: int, work: Path, regimes: list[Regime]
) -> list[Row]:
    """Return the rows of a field, a rule, an adapter and a seed; write its scores by round."""
    way, overrides = sites_for(field, work, seed)
    out = work / "-".join([field, rule, str(seed)] + ([adapter] if adapter != "lora" else []))
    chosen = FIELDS[field]
    comparison = simulate(
        chosen["recipe"],
        out,
        Plan(ROUNDS, chosen.get("steps", 8), rule, score_every=chosen.get("every", ROUNDS)),
        compare=regimes,
        sites=way,
        override=[*overrides, *settings_of(field, rule, adapter, seed)],
        seed=seed,
        resume=out.exists(),
    )
    gap = comparison.gap_closed
    first = {
        "field": field,
        "rule": rule,
        "seed": seed,
        "adapter": adapter,
        "measure": comparison.score,
    }
    if rounds := by_round(first, comparison):
        write("federated_rounds", rounds, (*KEY, "round", "site"))
    return [
        {**first, **row, "gap closed": "" if gap is None else round(gap, 3)}
        for row in rows_of(comparison)
    ]


def by_round(first: Row, comparison: Comparison) -> list[Row]:
    """Return the score of each model on its site's own test data, by round and by site."""
    rows = []
    for regime, outcome in comparison.outcomes.items():
        scores = [(ROUNDS, site, score) for site, score in outcome.own.items()]
        for number, site, score in outcome.rounds or scores:
            place = {"regime": regime, "round": number, "site": site}
            rows.append({**first, **place, "score": round(score, 4)})
    return rows


def write(table: str, rows: list[Row], key: tuple[str, ...]) -> None:
    """Write rows with the machine and the versions, sorted; other rows of the table stay."""
    about = versions("scionwood", "scionwood-federated") | machine()
    order = lambda row: [str(row[name]) for name in key]  # noqa: E731
    replace_rows(table, [row | about for row in rows], key, order=order)


def main() -> None:
    options = parsed(
        __doc__,
        option("--fields", nargs="+", choices=FIELDS, default=list(FIELDS)),
        option("--rules", nargs="+", choices=RULES, default=["exact"]),
        option("--adapters", nargs="+", choices=("lora", "ia3"), default=["lora"]),
        option("--seeds", type=int, default=3),
        option("--work", type=Path, default=Path("runs/federated")),
        threads=None,
    )
    for seed in range(options.seeds):
        for field, rule, adapter in product(options.fields, options.rules, options.adapters):
            if regimes := missing(field, rule, adapter, seed):
                rows = measured(field, rule, adapter, seed, options.work, regimes)
                write("federated", rows, KEY)


if __name__ == "__main__":
    main()
