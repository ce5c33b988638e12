"""The commands for plugins: plugins, show, check and new."""

from __future__ import annotations

import json as jsons
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from scionwood import discovery
from scionwood.arguments import InputPath, PartName, PluginName
from scionwood.errors import ReadError
from scionwood.terminal import print_status, print_table

if TYPE_CHECKING:
    from scionwood.testing import Outcome


def plugins(*, json: bool = False, doctor: bool = False) -> int:
    """List the plugins and what each brings.

    Args:
        json: print JSON.
        doctor: import every component by itself, and print what fails.
    """
    from scionwood.show import overview
    from scionwood.survey import survey

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
    from scionwood.show import describe

    print(describe(name))


def check(
    plugin: PluginName,
    files: list[InputPath] = [],  # noqa: B006 - never changed; a command line needs a list
    *,
    fuzz: bool = False,
    n: int = 2000,
    seed: int = 0,
    corpus: Path = Path("fuzz"),
    csv: Path | None = None,
) -> int:
    """Run the conformance kit on a plugin, and print errors and advice in two groups.

    Advice is about habits, such as a line `Units:` in a docstring. It does not fail the check.
    With `--fuzz` it damages the samples of the plugin's readers instead, and files that you give.
    It prints what became of each, and fails if a foreign exception, a death or a hang reached it.

    Args:
        plugin: its name.
        files: with `--fuzz`, further files to damage, by the readers of their endings.
        fuzz: damage samples at random, and read them.
        n: with `--fuzz`, mutations of each sample.
        seed: with `--fuzz`, the seed of the mutations.
        corpus: with `--fuzz`, the folder for new faults, one small file each.
        csv: with `--fuzz`, a CSV file for the counts; rows of other samples in it stay.
    """
    if fuzz:
        from scionwood.cli.fuzzing import fuzz_plugin

        return fuzz_plugin(plugin, files, n=n, seed=seed, corpus=corpus, csv=csv)
    if files:
        raise ReadError(str(files[0]), "files are damaged by --fuzz alone", "Add --fuzz")
    return _conformance(plugin)


def _conformance(plugin: str) -> int:
    from scionwood.testing import run_checks

    def report(outcome: Outcome) -> None:
        state = {"passed": True, "failed": False, "nothing": None}[outcome.status]
        reason = outcome.reason if outcome.status == "nothing" else ""
        print_status(state, f"{outcome.check:38} {outcome.seconds:6.1f} s  {reason}".rstrip())

    outcomes = run_checks(discovery.record(plugin), report)
    failed = [outcome for outcome in outcomes if outcome.failed]
    lines = _group("errors", {outcome.check: outcome.reason for outcome in failed})
    lines += _group("advice", {outcome.check: outcome.advice for outcome in outcomes})
    spent = os.times()
    seconds = spent.user + spent.system + spent.children_user + spent.children_system
    held = f"{len(outcomes) - len(failed)} of {len(outcomes)} checks hold"
    print(*lines, f"{held} ({seconds:.0f} s of CPU)", sep="\n")
    return int(bool(failed))


def new(name: str, folder: Path = Path()) -> None:
    """Write a plugin that passes its checks.

    Args:
        name: its name in lower case, as in hydrology.
        folder: where to write.
    """
    from scionwood.new import render

    written = render(name, folder)
    print(f"{written}\npip install -e {written}\nscionwood check {name}")


def _group(title: str, texts: Mapping[str, str]) -> list[str]:
    lines = [f"  {check}: {line}" for check, text in texts.items() for line in text.splitlines()]
    return [f"{title} ({len(lines)})", *lines, ""] if lines else []


def _examine() -> int:
    from scionwood.decoding.switch import enforced
    from scionwood.survey import doctor

    diagnoses = doctor()
    for diagnosis in diagnoses:
        verdict = "; ".join(diagnosis.faults) or "every component can be imported"
        print_status(not diagnosis.faults, f"{diagnosis.name:12} {verdict}")
    for holds, what in enforced():
        print_status(holds, f"{'readers':12} {what}")
    return int(any(diagnosis.faults for diagnosis in diagnoses))
