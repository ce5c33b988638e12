"""Pool the folders that sites sent into the folder that the next round starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scionwood import resolve
from scionwood.authoring import check_target
from scionwood_federated.rules.registry import apply, weights_of
from scionwood_federated.schedule import RuleName
from scionwood_federated.update.folder import (
    RECIPE,
    digest_of,
    read_start,
    read_update,
    write_start,
)
from scionwood_federated.update.hashes import recipe_hash
from scionwood_federated.update.record import FederationError, Update
from scionwood_federated.update.together import check_together


@dataclass(frozen=True)
class PoolReport:
    """What pooling did.

    Attributes:
        out: the folder that the next round starts from.
        rule: the name of the rule.
        sites: the number of samples of each site that was used.
        lost: the mean share of the energy that the rank could not hold.
        round: the number of the round that this ends.

    Example:
        >>> from pathlib import Path
        >>> from scionwood_federated import PoolReport
        >>> PoolReport(Path("global"), "exact", {"north": 100}, lost=0.0, round=1).sites
        {'north': 100}
    """

    out: Path
    rule: str
    sites: dict[str, int]
    lost: float
    round: int


def pool(
    updates: Sequence[str | Path],
    out: str | Path,
    *,
    rule: RuleName = "exact",
    start: str | Path | None = None,
    recipe: str | Path | None = None,
    most_samples: int | None = None,
    options: dict[str, Any] | None = None,
) -> PoolReport:
    """Pool the updates of sites by files; all checks come before the first sum.

    Args:
        updates: the folders that the sites sent.
        out: the folder that the next round starts from; it must not exist.
        rule: see `RULES`; `exact` is the weighted mean of the changes of the weights.
        start: what the round started from. Then its recipe makes `out` a run, and the rounds are
            checked.
        recipe: a recipe that makes `out` a run, if there is no start.
        most_samples: the largest number of samples that a site may claim; `None` means ten times
            the median.
        options: of the rule, such as `{"share": 0.1}` for trimmed.

    Raises:
        FederationError: the updates do not fit together; see `check_together`.
        AdapterFileError: a folder is damaged or hostile.
        OutputExistsError: `out` exists.

    Example:
        >>> import scionwood
        >>> from scionwood_federated import pool, update_of, write_update
        >>> run = scionwood.find_run("seismic/denoise", quiet=True)
        >>> for site in ("north", "south"):
        ...     write_update(update_of(run, site=site, samples=100), site)
        >>> report = pool(["north", "south"], "global")
        >>> report.sites, report.lost < 1e-9
        ({'north': 100, 'south': 100}, True)
    """
    check_target(out, overwrite=False)
    sent = [read_update(folder) for folder in updates]
    begun = None if start is None else read_start(start)
    check_together(sent, rule, begun)
    weights = weights_of(sent, most_samples)
    # Without a start the largest adapter gives the ranks, as a smaller one would lose more.
    like = begun or max(sent, key=lambda update: sum(v.numel() for v in update.adapter.values()))
    pooled = apply(rule, sent, weights, like, **(options or {}))
    about = replace(
        sent[0].about,
        site="global",
        samples=sum(update.about.samples for update in sent),
        start=digest_of(begun) if begun else "",
        held="",
        extra={"rule": rule, "sites": list(pooled.sites), "lost": pooled.lost},
    )
    write_start(pooled, like, about, out, _recipe(begun, recipe, about.recipe))
    used = {u.about.site: u.about.samples for u in sent if u.about.site in pooled.sites}
    return PoolReport(Path(out), rule, used, pooled.lost, about.round)


def _recipe(begun: Update | None, recipe: str | Path | None, expected_hash: str) -> str:
    if recipe is None:
        path = begun.folder / RECIPE if begun is not None and begun.folder is not None else None
        return path.read_text(encoding="utf-8") if path is not None and path.is_file() else ""
    resolved = resolve(recipe)
    if recipe_hash(resolved) != expected_hash:
        rule = "it is not the recipe that the sites trained by"
        raise FederationError(f"recipe {resolved.name}", rule, "Name the recipe of the sites")
    return resolved.dump()
