"""Simulate a federation: `scionwood federated simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scionwood.authoring import print_table, prints
from scionwood_federated.schedule import Plan, Regime

if TYPE_CHECKING:
    from scionwood_federated.simulation.comparison import Comparison


def _print_comparison(comparison: Comparison, *, json: bool = False) -> None:
    """Print a comparison.

    Args:
        comparison: the scores of each regime.
        json: print JSON.
    """
    from scionwood_federated.simulation.report import COLUMNS, rows_of

    rows, gap = rows_of(comparison), comparison.gap_closed
    if json:
        from json import dumps

        print(dumps({"rows": rows, "gap closed": gap, "score": comparison.score}, indent=2))
        return
    print_table(COLUMNS, [tuple(row.values()) for row in rows], numeric=COLUMNS[1:])
    better = "larger" if comparison.higher else "smaller"
    print(f"\nscore: {comparison.score}, {better} is better")
    if gap is not None:
        print(f"federation closes {100 * gap:.0f} % of the gap between alone and pooled")
    elif {"alone", "federated", "pooled"} <= comparison.outcomes.keys():
        print("pooled data are no better than sites alone, so there is no gap to close")
    print(comparison.folder)


@prints(_print_comparison)
def simulate(
    recipe: str,
    out: Path,
    plan: Plan = Plan(),
    *,
    sites: str,
    compare: list[Regime] | None = None,
    override: list[str] | None = None,
    seed: int = 0,
    smoke: bool = False,
    resume: bool = False,
) -> Comparison:
    r"""Simulate a federation in one process; compare it with sites alone and with pooled data.

    Every site trains for rounds times steps. The pooled model trains for the steps of all sites.
    The learning rate is constant, because a schedule would begin again in each round.

    Args:
        recipe: any recipe with an adapter that can be pooled, by name or file.
        out: the folder of tables. Its `global` is the federated model as a run.
        plan: the rounds and the rule.
        sites: sites.csv with a column `site` and columns such as data.source; by:data.OPTION for a
            site of each value; or by:COLUMN for a column of the table of samples.
        compare: the regimes, by default '[alone, federated, pooled]'. The regime pooled_equal is
            pooled data for the steps of one site.
        override: changes of the recipe, such as '[adapter.r=16]'.
        seed: the seed of the training.
        smoke: take the recipe at its smallest size.
        resume: go on with the simulation in the folder.

    Raises:
        FederationError: the sites or the rule do not fit the recipe.
        OutputExistsError: the folder holds a simulation.
        TrainingError: the folder holds another simulation.

    Example:
        >>> from pathlib import Path
        >>> from scionwood_federated import Plan, simulate
        >>> size = Path("sites.csv").write_text("site,data.seed\na,1\nb,2\n")
        >>> plan = Plan(rounds=1, steps=1)
        >>> result = simulate("seismic/denoise", Path("sim"), plan, sites="sites.csv", smoke=True)
        >>> sorted(result.outcomes)
        ['alone', 'federated', 'pooled']
    """
    from scionwood import resolve
    from scionwood_federated.simulation.run import run_simulation

    return run_simulation(
        resolve(recipe, smoke=smoke),
        Path(out),
        plan,
        sites=sites,
        compare=compare or ("alone", "federated", "pooled"),
        overrides=override or (),
        seed=seed,
        resume=resume,
    )
