"""The sites of a simulation: each has the recipe with options of its own."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scionwood import override
from scionwood.authoring import reading
from scionwood_federated.simulation.model import HomeData
from scionwood_federated.simulation.tables import cut, table_of
from scionwood_federated.update.record import FederationError, folded, is_name

WAYS = "sites.csv, by:data.OPTION or by:COLUMN"


@dataclass
class SiteData:
    """A site of a simulation.

    Attributes:
        name: the name of the site.
        recipe: the recipe with the options of the site.
    """

    name: str
    recipe: Any
    _data: Any = field(default=None, repr=False)

    @property
    def data(self) -> Any:
        """The data module, built and set up at the first use."""
        if self._data is None:
            self._data = self.recipe.data.build()
            self._data.prepare_data()
            self._data.setup("fit")
            self._data.setup("test")
        return self._data

    def train_loader(self) -> Any:
        """Return the training batches of the site."""
        return self.data.train_dataloader()

    def home(self) -> HomeData:
        """Return what the hooks of a task see of the data."""
        return HomeData(self.data, [self.train_loader()])

    def samples(self) -> int:
        """Return the number of training samples."""
        try:
            return len(self.data.train_dataloader().dataset)
        except TypeError:  # a stream: each site then counts alike
            return 1

    def batches(self, skip: int = 0) -> Iterator[Any]:
        """Yield training batches without end, in a new order each epoch.

        Args:
            skip: the batches that a simulation used before it was interrupted.
        """
        loader, epoch = self.train_loader(), 0
        while True:
            # Samplers shuffle by their epoch, which Lightning would set.
            for name in ("sampler", "batch_sampler"):
                sampler: Any = getattr(loader, name, None)
                if hasattr(sampler, "set_epoch"):
                    sampler.set_epoch(epoch)
            empty = True
            for batch in loader:
                empty = False
                # The batches are drawn and dropped, so that the order goes on as if there had been
                # no break.
                if skip:
                    skip -= 1
                    continue
                yield batch
            if empty:
                raise FederationError(f"site {self.name}", "it has no batch", "Leave it out")
            epoch += 1


def sites_of(recipe: Any, way: str) -> list[SiteData]:
    """Return the sites of a simulation.

    Args:
        recipe: the recipe that all sites share.
        way: a CSV file with the column `site` and columns such as `data.source`, whose values
            replace those of the recipe; `by:data.OPTION` makes a site of each value of a list, or
            of each sub-folder; `by:COLUMN` makes one of each value in a column of the table of
            samples.

    Raises:
        FederationError: the way is unknown, or does not fit the data.
        ReadError: the file cannot be read.
        RecipeError: a column names no option.
    """
    if way.startswith("by:"):
        sites = _by_option(recipe, way.removeprefix("by:"))
    elif Path(way).suffix == ".csv":
        sites = _listed(recipe, Path(way))
    else:
        raise FederationError(f"sites {way!r}", "it is no way to make sites", f"Give {WAYS}")
    if len(sites) < 2:
        raise FederationError(f"sites {way!r}", f"it makes {len(sites)}", "Give at least two")
    names = [folded(site.name) for site in sites]
    for site in sites:
        if not is_name(site.name) or names.count(folded(site.name)) > 1:
            rule = "a name has 1 to 200 printable characters, and no two sites have one name"
            raise FederationError(f"site {site.name!r:.80}", rule, "Rename it")
    return sites


def _listed(recipe: Any, path: Path) -> list[SiteData]:
    with reading(path, "list of sites"):
        text = path.read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    if not rows or "site" not in rows[0]:
        raise FederationError(str(path), "it has no column `site`", "Name the sites in it")
    out = []
    for row in rows:
        if None in row:
            rule = f"the line of site {row['site']} has more values than the heading"
            raise FederationError(str(path), rule, 'Quote values with commas: "[a, b]"')
        changes = [f"{key}={value}" for key, value in row.items() if key != "site" and value]
        out.append(SiteData(row["site"] or "", override(recipe, changes)))
    return out


def _by_option(recipe: Any, key: str) -> list[SiteData]:
    name = key.removeprefix("data.")
    if name not in recipe.data.options and (table_match := table_of(recipe, key)) is not None:
        option, table = table_match
        parts = cut(table, key)
        wider = {"data.root": str(table.parent)} if "root" in recipe.data.options else {}
        owns = [
            (n, override(recipe, {f"data.{option}": str(p), **wider})) for n, p in parts.items()
        ]
        return [SiteData(site, site_recipe) for site, site_recipe in owns]
    if name not in recipe.data.options:
        rule, choices = (
            f"{recipe.data.name} has no such option, nor a table with this column",
            ", ".join(recipe.data.options),
        )
        raise FederationError(f"by:{key}", rule, f"It has: {choices}")
    value = recipe.data.options[name]
    if isinstance(value, str | Path) and Path(value).is_dir():
        folders = sorted(path for path in Path(value).iterdir() if path.is_dir())
        return [SiteData(f.name, override(recipe, {f"data.{name}": str(f)})) for f in folders]
    if not isinstance(value, list | tuple):
        rule = f"its value {value!r:.60} is no list and no folder of folders"
        raise FederationError(f"by:{key}", rule, f"Give {WAYS}")
    return [SiteData(str(entry), override(recipe, {f"data.{name}": [entry]})) for entry in value]
