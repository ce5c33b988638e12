"""Runs that a plugin ships: folders in the package that `Plugin.runs` names."""

from __future__ import annotations

import sys
from pathlib import Path

from scionwood.errors import PluginError
from scionwood.plugins import discovery
from scionwood.recipes.recipe_file import package_folder
from scionwood.runs.layout import RECIPE


def all_shipped() -> dict[str, Path]:
    """Return the folders of the runs that all plugins ship, by reference.

    A fault of a plugin is printed on stderr and does not hide the runs of the others.
    """
    runs: dict[str, Path] = {}
    for entry in discovery.plugins():
        try:
            plugin_runs = shipped_runs(entry.name) if entry.plugin else {}
        except PluginError as error:
            print(error, file=sys.stderr)
            continue
        runs |= {f"{entry.name}/{name}": folder for name, folder in plugin_runs.items()}
    return runs


def shipped_runs(plugin: str) -> dict[str, Path]:
    """Return the folders of the runs that a plugin ships, by name."""
    package = discovery.record(plugin).runs
    if package is None:
        return {}
    place = package_folder(package)
    if place is None:
        rule = f"the package {package!r} does not exist"
        raise PluginError(f"runs of plugin {plugin!r}", rule, "Reinstall the plugin")
    folders = sorted(path.parent for path in place.glob(f"*/{RECIPE}"))
    return {folder.name: folder for folder in folders}
