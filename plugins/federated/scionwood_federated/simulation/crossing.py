"""What the updates of all sites reach on the data of one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scionwood import override, resolve
from scionwood_federated.simulation.model import SharedModel
from scionwood_federated.simulation.sites import SiteData
from scionwood_federated.update.record import FederationError, Update
from scionwood_federated.update.together import check_same, check_together


def losses_at(
    recipe: str | Path, updates: Sequence[Update], overrides: Sequence[str]
) -> dict[str, float]:
    """Return the test loss of each update on the data of a site.

    Args:
        recipe: the recipe that all sites share.
        updates: the updates of all sites.
        overrides: the options that are the site's own.

    Raises:
        FederationError: the updates do not fit together or to the recipe, or a larger score is
            better.

    Example:
        >>> from scionwood_federated import losses_at, update_of
        >>> run = scionwood.fit(scionwood.resolve("pde/dynamics", smoke=True), run_dir="run")
        >>> updates = [update_of("run", site=site, samples=1) for site in ("north", "south")]
        >>> sorted(losses_at("run/recipe.yaml", updates, []))
        ['north', 'south']
    """
    resolved: Any = resolve(recipe)
    check_together(updates, "exact")
    model = SharedModel(resolved)
    local_about = model.state("own", 0, 0, 0).about
    if model.higher_is_better:
        rule = f"the score of {resolved.task.name} is no loss"
        raise FederationError("losses", rule, "Use the way cosine")
    remedy = "Give the recipe of the federation"
    check_same(updates[0].about, local_about, ("recipe", "base"), "updates", remedy)
    site = SiteData("own", override(resolved, list(overrides)) if overrides else resolved)
    losses = {}
    for update in updates:
        model.put(update.adapter, update.head)
        losses[update.about.site] = model.score(site.data.test_dataloader())
    return losses
