"""The check of probes: each rule is broken once."""

from __future__ import annotations

from typing import Any

import pytest

from scionwood import Plugin
from scionwood_kit import CheckFailure, NothingToCheck
from scionwood_kit.checks.behaviour import check_probes
from scionwood_kit.checks.documentation import check_docstrings, check_signatures

PROBES = '''"""Probes of the response."""

from pathlib import Path

import torch

from scionwood.authoring import ProbeResult
from scionwood import Task


def dry(task: Task, folder: Path | None) -> list[ProbeResult]:
    """Probe a network without rain.

    Units: those of the response.

    Args:
        task: the task.
        folder: the run folder.
    """
    made = task.backbone(torch.zeros(1, 8, 1))
    return [ProbeResult("no rain", float(made.abs().max()), most=1.0, reason="nothing runs off")]
'''


@pytest.fixture
def probes(sample: Any) -> Any:
    """A plugin with a probe of its task."""
    sample.add("evaluation.py", PROBES)
    line = '    probes={"respond": "scionwood_sample.evaluation:dry"},\n'
    sample.change("__init__.py", '    recipes="', line + '    recipes="')
    return sample


def test_a_sound_probe_passes_and_a_plugin_without_any_has_nothing_to_check(probes):
    plugin = probes.plugin()
    for check in (check_probes, check_docstrings, check_signatures):
        assert not check(plugin)
    with pytest.raises(NothingToCheck, match="no probes"):
        check_probes(Plugin("x"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("float(made.abs().max())", "float('nan')", "no rain is nan: .* is finite"),
        ("most=1.0, ", "", "no rain: a probe states a limit"),
        (', reason="nothing runs off"', "", "no rain: a probe states a limit and why"),
        ("return [ProbeResult(", "return [1] or [ProbeResult(", "list: probes return a list of"),
        ("return [ProbeResult(", "return [] and [ProbeResult(", "an empty list"),
        ("made =", "next(task.parameters()).data.add_(1)\n    made =", "leave the model as it was"),
    ],
    ids=["nan", "limit", "reason", "type", "empty", "changes"],
)
def test_a_probe_that_breaks_a_rule_is_named(probes, old, new, message):
    probes.change("evaluation.py", old, new)
    with pytest.raises(CheckFailure, match=message):
        check_probes(probes.plugin())


def test_probes_have_the_name_of_a_task_or_of_data(sample):
    sample.add("evaluation.py", PROBES)
    line = '    probes={"other": "scionwood_sample.evaluation:dry"},\n'
    sample.change("__init__.py", '    recipes="', line + '    recipes="')
    with pytest.raises(CheckFailure, match="'other': probes have the name of the task or the data"):
        check_probes(sample.plugin())
