"""The command `scionwood check`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from scionwood.errors import ReadError
from scionwood.files.terminal import print_status
from scionwood.plugins import discovery
from scionwood.recipes.arguments import InputPath, PluginName

if TYPE_CHECKING:  # a command imports what is heavy when it runs
    from scionwood_kit.runner import Outcome


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
        from scionwood_kit.fuzzing.command import fuzz_plugin

        return fuzz_plugin(plugin, files, n=n, seed=seed, corpus=corpus, csv=csv)
    if files:
        raise ReadError(str(files[0]), "files are damaged by --fuzz alone", "Add --fuzz")
    return _conformance(plugin)


def _conformance(plugin: str) -> int:
    from scionwood_kit.runner import run_checks

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
    summary = f"{len(outcomes) - len(failed)} of {len(outcomes)} checks hold"
    print(*lines, f"{summary} ({seconds:.0f} s of CPU)", sep="\n")
    return int(bool(failed))


def _group(title: str, texts: Mapping[str, str]) -> list[str]:
    lines = [f"  {check}: {line}" for check, text in texts.items() for line in text.splitlines()]
    return [f"{title} ({len(lines)})", *lines, ""] if lines else []
