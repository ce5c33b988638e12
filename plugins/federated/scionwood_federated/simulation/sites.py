"""The sites of a simulation: each has the recipe with options of its own, or a part of the data."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import IterableDataset

from scionwood import override
from scionwood.authoring import DataLoader, reading
from scionwood_federated.simulation.model import HomeData
from scionwood_federated.simulation.tables import cut, table_of
from scionwood_federated.update.record import FederationError, folded, is_name

WAYS = "sites.csv, by:data.OPTION, by:COLUMN, or dirichlet:0.5 (or dirichlet:0.5:10 for ten sites)"


@dataclass
class SiteData:
    """A site of a simulation.

    Attributes:
        name: the name of the site.
        recipe: the recipe with the options of the site.
        part: the training samples of the site; `None` means all of its data.
    """

    name: str
    recipe: Any
    part: Sequence[int] | None = None
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
        loader = self.data.train_dataloader()
        return loader if self.part is None else loader.part(self.part)

    def home(self) -> HomeData:
        """Return what the hooks of a task see of the data."""
        return HomeData(self.data, [self.train_loader()])

    def samples(self) -> int:
        """Return the number of training samples."""
        if self.part is not None:
            return len(self.part)
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


def sites_of(recipe: Any, way: str, *, seed: int = 0) -> list[SiteData]:
    """Return the sites of a simulation.

    Args:
        recipe: the recipe that all sites share.
        way: a CSV file with the column `site` and columns such as `data.source`, whose values
            replace those of the recipe; `by:data.OPTION` makes a site of each value of a list, or
            of each sub-folder; `by:COLUMN` makes one of each value in a column of the table of
            samples; `dirichlet:ALPHA[:SITES]` deals the training samples by their
            labels, the smaller ALPHA the more unequal.
        seed: the seed of the dealing.

    Raises:
        FederationError: the way is unknown, or does not fit the data.
        ReadError: the file cannot be read.
        RecipeError: a column names no option.
    """
    if way.startswith("by:"):
        sites = _by_option(recipe, way.removeprefix("by:"))
    elif way.startswith("dirichlet:"):
        sites = _dealt(recipe, way.removeprefix("dirichlet:"), seed)
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


def _dealt(recipe: Any, text: str, seed: int) -> list[SiteData]:
    alpha, _, count = text.partition(":")
    try:
        concentration, number = float(alpha), int(count or 10)
    except ValueError as error:
        raise FederationError(f"dirichlet:{text}", "it is no number", f"Give {WAYS}") from error
    if not concentration > 0 or number < 2:
        rule = "it needs a concentration above 0 and at least two sites"
        raise FederationError(f"dirichlet:{text}", rule, "Give dirichlet:0.5:10")
    full_site = SiteData("all", recipe)
    labels = _labels(full_site)
    rng = np.random.default_rng(seed)
    parts: list[list[int]] = [[] for _ in range(number)]
    for label in sorted(set(labels)):
        rows = rng.permutation([n for n, row_label in enumerate(labels) if row_label == label])
        # Each label is dealt by shares of its own (Hsu et al. 2019, arXiv:1909.06335).
        shares = rng.dirichlet([concentration] * number).cumsum()[:-1]
        for part, chosen in zip(
            parts, np.split(rows, (shares * len(rows)).astype(int)), strict=True
        ):
            part += [int(row) for row in chosen]
    names = [f"site{n + 1}" for n in range(number)]
    pairs = zip(names, parts, strict=True)
    return [SiteData(n, recipe, sorted(part), full_site.data) for n, part in pairs if part]


def _labels(site: SiteData) -> list[int]:
    """Return the label of each training sample: the last entry of a pair, or the key `label`."""
    out = []
    loader = site.data.train_dataloader()
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
        rule = f"{site.recipe.data.name} has no authoring.DataLoader, which takes samples by index"
        raise FederationError("dirichlet", rule, "Split by a list of sites: --sites sites.csv")
    for index in range(len(loader.dataset)):
        item = loader.dataset[index]
        value = (
            item.get("label")
            if isinstance(item, dict)
            else item[-1]
            if isinstance(item, tuple)
            else None
        )
        if isinstance(value, torch.Tensor) and value.numel() == 1:
            value = int(value)
        if not isinstance(value, int | np.integer):
            rule = f"the samples of {site.recipe.data.name} have no label"
            remedy = "Split by a list of sites: --sites sites.csv"
            raise FederationError("dirichlet", rule, remedy)
        out.append(int(value))
    return out
