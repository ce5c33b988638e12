"""The checks of services: plain options, a light module, damaged files refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import scionwood
from scionwood.authoring import LoadedRun, Served
from scionwood_kit import CheckFailure, NothingToCheck
from scionwood_kit.checks.services import check_services, check_services_refuse_damage

SERVICE = """
from pathlib import Path
{imports}
from scionwood.authoring import LoadedRun, Served


def forecast(loaded: LoadedRun, source: Path, out: Path, *, {option}) -> {answer}:
    "Forecast."
    return Served()
"""
SOUND = {"imports": "", "option": "days: list[int] | None = None", "answer": "Served"}


def with_service(sample: Any, **changes: str) -> Any:
    sample.add("services.py", SERVICE.format(**{**SOUND, **changes}))
    return replace(sample.plugin(), services={"forecast": "scionwood_sample.services:forecast"})


def test_a_sound_service_passes_and_a_plugin_may_have_none(sample):
    check_services(with_service(sample))
    with pytest.raises(NothingToCheck):
        check_services(sample.plugin())


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"answer": "None"}, "it returns scionwood.authoring.Served"),
        ({"option": "table: Path | None = None"}, "an option is a number, a text, a choice"),
        ({"option": "run: str = ''"}, "the server decides it"),
        ({"imports": "import torch"}, "imports without torch"),
    ],
    ids=["answer", "path", "run", "torch"],
)
def test_a_faulty_service_is_named(changes, rule, sample):
    with pytest.raises(CheckFailure, match=rule):
        check_services(with_service(sample, **changes))


def test_a_service_that_answers_damage_is_found(monkeypatch):
    plugin = scionwood.find("bangla").plugin
    assert plugin is not None
    plugin = replace(plugin, services={"check": f"{__name__}:answers_all"})
    monkeypatch.setattr("scionwood_kit.checks.services.component", lambda reference: answers_all)
    with pytest.raises(CheckFailure, match="it is answered"):
        check_services_refuse_damage(plugin)


def answers_all(loaded: LoadedRun, source: Path, out: Path) -> Served:
    """Answer anything."""
    return Served()
