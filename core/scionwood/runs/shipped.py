"""Runs that a plugin ships: folders in the package that `Plugin.runs` names."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

from scionwood.errors import PluginError
from scionwood.plugins import discovery
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
    """Return the folders of the runs that a plugin ships, by name.

    Raises:
        PluginError: the plugin is missing or broken, or the package of its runs does not exist.
    """
    package = discovery.record(plugin).runs
    if package is None:
        return {}
    try:
        spec = find_spec(package)
    except ModuleNotFoundError:  # the package above it
        spec = None
    places = list(spec.submodule_search_locations or ()) if spec else []
    if not places:
        rule = f"the package {package!r} does not exist"
        raise PluginError(f"runs of plugin {plugin!r}", rule, "Reinstall the plugin")
    folders = sorted(path.parent for path in Path(places[0]).glob(f"*/{RECIPE}"))
    return {folder.name: folder for folder in folders}
