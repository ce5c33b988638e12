"""The commands for plugins: plugins, show and new."""

from __future__ import annotations

import json as jsons
from dataclasses import asdict
from pathlib import Path

from scionwood.files.terminal import print_status, print_table
from scionwood.plugins import discovery
from scionwood.recipes.arguments import PartName


def plugins(*, json: bool = False, doctor: bool = False) -> int:
    """List the plugins and what each brings.

    Args:
        json: print JSON.
        doctor: import every component by itself, and print what fails.
    """
    from scionwood.cli.show import overview
    from scionwood.plugins.survey import survey

    if doctor:
        return _examine()
    entries = survey()
    if json:
        print(jsons.dumps([asdict(entry) for entry in entries], indent=2))
        return 0
    print_table(("plugin", "version", "what it brings"), map(overview, entries))
    installed = {entry.name for entry in entries}
    if missing := [name for name in discovery.extras() if name not in installed]:
        line = discovery.install_line(missing[0])
        print(f"not installed: {', '.join(missing)}. In a clone: {line}")
    return 0


def show(name: PartName) -> None:
    """Print what a plugin or a component takes, with its documentation.

    Args:
        name: seismic, or seismic/denoise.
    """
    from scionwood.cli.show import describe

    print(describe(name))


def new(name: str, folder: Path = Path()) -> None:
    """Write a plugin that passes its checks.

    Args:
        name: its name in lower case, as in hydrology.
        folder: where to write.
    """
    from scionwood.plugins.new import render

    written = render(name, folder)
    print(f"{written}\npip install -e {written}\nscionwood check {name}")


def _examine() -> int:
    from scionwood.plugins.survey import doctor
    from scionwood_sandbox.decoding.switch import enforced

    diagnoses = doctor()
    for diagnosis in diagnoses:
        verdict = "; ".join(diagnosis.faults) or "every component can be imported"
        print_status(not diagnosis.faults, f"{diagnosis.name:12} {verdict}")
    for holds, what in enforced():
        print_status(holds, f"{'readers':12} {what}")
    return int(any(diagnosis.faults for diagnosis in diagnoses))
