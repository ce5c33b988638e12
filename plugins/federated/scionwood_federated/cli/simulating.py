"""The command `scionwood federated simulate RECIPE`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from scionwood.authoring import print_table
from scionwood_federated.cli.rounds import Servers

Rules = Literal[
    "exact", "frozen_a", "alternate", "residual", "median", "trimmed", "krum", "clair", "factors"
]
Regimes = Literal["alone", "federated", "pooled", "pooled_equal"]


def simulate(
    recipe: str,
    out: Path,
    *,
    sites: str,
    rounds: int = 15,
    steps: int = 12,
    rule: Rules = "exact",
    server: Servers = "none",
    personal: bool = False,
    compare: list[Regimes] | None = None,
    score_every: int = 5,
    most_samples: int | None = None,
    options: dict[str, Any] | None = None,
    override: list[str] | None = None,
    seed: int = 0,
    smoke: bool = False,
    resume: bool = False,
    json: bool = False,
) -> None:
    """Simulate a federation in one process; compare it with sites alone and with pooled data.

    Every site trains for rounds times steps. The pooled model trains for the steps of all sites.
    The learning rate is constant, because a schedule would begin again in each round.

    Args:
        recipe: any recipe with an adapter that can be pooled, by name or file.
        out: the folder of tables and figures. Its `global` is the federated model as a run.
        sites: sites.csv with a column `site` and columns such as data.source; by:data.OPTION for a
            site of each value; by:COLUMN for a column of the table of samples; or
            dirichlet:0.5:10, which deals labelled samples to ten sites.
        rounds: the number of rounds.
        steps: optimiser steps of each site in a round.
        rule: how to pool. The rule factors is a baseline that is known to be wrong.
        server: FedAvgM (momentum) or FedAdam (adam) between rounds.
        personal: keep the heads at their sites.
        compare: the regimes, by default '[alone, federated, pooled]'. The regime pooled_equal is
            pooled data for the steps of one site.
        score_every: rounds between two scores.
        most_samples: the largest number of samples that a site may claim.
        options: of the rule, such as '{bad: 2}' for krum.
        override: changes of the recipe, such as '[adapter.r=16]'.
        seed: the seed of the sites and of the training.
        smoke: take the recipe at its smallest size.
        resume: go on with the simulation in the folder.
        json: print JSON.

    Raises:
        FederationError: the sites or the rule do not fit the recipe.
        OutputExistsError: the folder holds a simulation.
        TrainingError: the folder holds another simulation.
    """
    from scionwood_federated.simulation.engine import Plan
    from scionwood_federated.simulation.report import COLUMNS, rows_of
    from scionwood_federated.simulation.run import simulate as run

    plan = Plan(rounds, steps, rule, server, personal, score_every, most_samples, options or {})
    done = run(
        recipe,
        sites,
        out,
        plan=plan,
        compare=compare or ("alone", "federated", "pooled"),
        overrides=override or (),
        smoke=smoke,
        seed=seed,
        resume=resume,
    )
    rows, gap = rows_of(done), done.gap_closed
    if json:
        from json import dumps

        print(dumps({"rows": rows, "gap closed": gap, "score": done.score}, indent=2))
        return
    print_table(COLUMNS, [tuple(row.values()) for row in rows], numeric=COLUMNS[1:])
    better = "larger" if done.higher else "smaller"
    print(f"\nscore: {done.score}, {better} is better")
    if gap is not None:
        print(f"federation closes {100 * gap:.0f} % of the gap between alone and pooled")
    elif {"alone", "federated", "pooled"} <= done.outcomes.keys():
        print("pooled data are no better than sites alone, so there is no gap to close")
    print(out)
