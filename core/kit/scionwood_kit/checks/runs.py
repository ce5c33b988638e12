"""Shipped runs are whole, so that each of them loads where the package is installed."""

from __future__ import annotations

from collections.abc import Iterator

from scionwood.errors import ScionwoodError
from scionwood.plugins.plugin import Plugin
from scionwood.runs.manifest import check_manifest
from scionwood.runs.shipped import shipped_runs
from scionwood_kit.rules import NothingToCheck, Problem, check


@check
def check_shipped_runs(plugin: Plugin) -> Iterator[Problem]:
    """The files of a shipped run are those that its manifest lists, byte for byte."""
    if plugin.runs is None:
        raise NothingToCheck("no shipped runs")
    for name, folder in shipped_runs(plugin.name).items():
        try:
            check_manifest(folder)
        except ScionwoodError as error:
            rule = f"a shipped run has a manifest, and its files are as it states ({error.rule})"
            remedy = f"If you changed it yourself: scionwood verify {plugin.name}/{name} --write"
            yield Problem(f"run {name!r}: {error.value}", rule, remedy)
