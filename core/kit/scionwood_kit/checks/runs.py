"""Shipped runs are whole, small and without traces of the machine that trained them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from scionwood.errors import ScionwoodError
from scionwood.plugins.plugin import Plugin
from scionwood.runs.layout import weights_digest
from scionwood.runs.manifest import check_manifest
from scionwood.runs.origin import read_origin
from scionwood.runs.shipped import shipped_runs
from scionwood_kit.rules import NothingToCheck, Problem, check

LARGEST = 3_000_000
"""Bytes of a shipped run, which everybody downloads who installs the plugin."""
TEXTS = {".json", ".yaml", ".md", ".csv"}
PLACE = re.compile(r"/(?:tmp|home|root|work|Users)/[\w./-]*")
"""A folder of somebody's machine."""


@check
def check_shipped_runs(plugin: Plugin) -> Iterator[Problem]:
    """A shipped run has the files of its manifest, the weights of its origin and no local paths.

    It should also be small: it is a part of the package.
    """
    if plugin.runs is None:
        raise NothingToCheck("no shipped runs")
    for name, folder in shipped_runs(plugin.name).items():
        try:
            check_manifest(folder)
            yield from _problems(name, folder)
        except ScionwoodError as error:
            rule = f"a shipped run has a manifest, and its files are as it states ({error.rule})"
            remedy = f"If you changed it yourself: scionwood verify {plugin.name}/{name} --write"
            yield Problem(f"run {name!r}: {error.value}", rule, remedy)


def _problems(name: str, folder: Path) -> Iterator[Problem]:
    origin = read_origin(folder)
    if origin is not None and weights_digest(folder) != origin.digest:
        rule = "the digest in origin.json is that of the weights"
        yield Problem(f"run {name!r}: {origin.digest or 'no digest'}", rule, "Ship the run again")
    files = [path for path in folder.rglob("*") if path.is_file()]
    for path in files:
        place = PLACE.search(path.read_text("utf-8")) if path.suffix in TEXTS else None
        if place:
            value = f"run {name!r}: {path.relative_to(folder).as_posix()} has {place[0]}"
            rule = "a shipped run names no folder of the machine that trained it"
            yield Problem(value, rule, "Train with relative paths, and ship the run again")
    size = sum(path.stat().st_size for path in files)
    if size > LARGEST:
        rule = f"a shipped run is a part of the package and has at most {LARGEST:,} bytes"
        remedy = "Ship an adapter of a smaller rank, or publish the run to be pulled"
        yield Problem(f"run {name!r}: {size:,} bytes", rule, remedy, advice=True)
