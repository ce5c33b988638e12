"""What a site answers to a message: it trains from the weights that came, on its own data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from scionwood import adapters, override, resolve
from scionwood_federated.engines.messages import packed, unpacked
from scionwood_federated.simulation.model import SharedModel
from scionwood_federated.simulation.sites import SiteData
from scionwood_federated.update.folder import (
    SITE,
    digest_of,
    read_start,
    save_weights,
    write_json,
)
from scionwood_federated.update.record import FederationError, Update
from scionwood_federated.update.together import check_same


def write_home(path: Path, site: str, recipe: str | Path, overrides: list[str]) -> None:
    """Write what a site knows about itself into a file, which its processes read.

    Args:
        path: the file to write.
        site: the name of the site.
        recipe: its copy of the recipe.
        overrides: the options that are its own.
    """
    where = str(Path(recipe).absolute()) if Path(recipe).exists() else str(recipe)
    write_json(path, {"site": site, "recipe": where, "overrides": overrides})


def answer(
    files: Mapping[str, bytes], order: Mapping[str, Any], home: str | Path
) -> dict[str, bytes]:
    """Train for a round, and return the files of the update.

    Args:
        files: the start of the round.
        order: round, steps, seed and the factor that is held.
        home: the file that `write_home` wrote.

    Raises:
        FederationError: the start is of another recipe, base or round than asked for.
        AdapterFileError: the start is damaged or hostile.
    """
    facts = adapters.read_json(Path(home))
    recipe: Any = resolve(facts["recipe"])
    site_recipe = override(recipe, list(facts["overrides"])) if facts["overrides"] else recipe
    round_, steps = int(order["round"]), int(order["steps"])
    hold: Any = str(order["hold"])
    with TemporaryDirectory() as folder:
        unpacked(files, Path(folder) / "start")
        start = read_start(Path(folder) / "start")
        model = SharedModel(recipe, hold)
        _check_start(start, model, round_)
        site = SiteData(facts["site"], site_recipe)
        model.put(start.adapter, start.head)
        batches = site.batches((round_ - 1) * steps)
        model.train(batches, steps, int(order["seed"]), site.home())
        update = model.state(site.name, site.samples(), steps, round_)
        about = replace(update.about, start=digest_of(start))
        out = Path(folder) / "update"
        out.mkdir()
        save_weights(model.backbone, out)
        write_json(out / SITE, about.dump())
        return packed(out)


def _check_start(start: Update, model: SharedModel, round_: int) -> None:
    site_about = model.state("own", 0, 0, 0).about
    keys, remedy = ("recipe", "base", "preprocessing"), "Ask for the start that all use"
    check_same(start.about, site_about, keys, "start of the round", remedy)
    if start.about.round != round_ - 1:
        rule = f"it starts round {start.about.round + 1}, and round {round_} was asked for"
        raise FederationError("start of the round", rule, "Begin the federation again")
