"""Every public name of the core has an example in its docstring, and the example runs."""

from __future__ import annotations

import doctest
import inspect
from collections import defaultdict
from importlib import import_module
from typing import Any, get_origin

import pytest
import torch
from case_table import table

import scionwood
from scionwood.plugins import discovery

ROOMS = ["scionwood", *(f"scionwood.{name}" for name in ("authoring", "adapters", "kernels"))]
TOOLS = ("bases", "batch", "export", "sandbox", "share")
ROOMS += ["scionwood.training", *(f"scionwood_{name}" for name in TOOLS)]
HEADING = "\n    Example:\n        >>> "


WITH_FILES = {"atoms", "biomed", "crash", "seismic"}
"""Plugins whose examples need files of their field: their `test_verbs.py` runs them."""


def documented() -> dict[str, Any]:
    """Return the public classes and functions by name; a type alias has no docstring."""
    things: dict[int, tuple[str, Any]] = {}
    for room in ROOMS:
        module = import_module(room)
        for name in module.__all__:
            thing = getattr(module, name)
            if callable(thing) and get_origin(thing) is None:
                things.setdefault(id(thing), (f"{module.__name__}.{name}", thing))
    return dict(things.values())


def of_plugins() -> dict[str, Any]:
    """Return the public names of plugins whose own tests run no examples with files of a field."""
    things = {}
    for plugin in discovery.entries():
        if plugin in WITH_FILES:
            continue
        package = import_module(f"scionwood_{plugin}")
        for name in getattr(package, "__all__", ()):
            thing = getattr(package, name)
            if inspect.isclass(thing) or inspect.isroutine(thing):
                things[f"{package.__name__}.{name}"] = thing
    return things


THINGS = documented()
OF_PLUGINS = of_plugins()
LONG = {
    *("scionwood_methods.learn_sequence", "scionwood_methods.select_examples"),
    "scionwood_methods.study",
    *("scionwood_federated.simulate", "scionwood_federated.losses_at"),
    *("scionwood_federated.train_site", "scionwood_audio.compare"),
}
"""Examples that train or write for seconds; fast tests of their plugins cover the functions."""
TOGETHER = 12
"""The most examples of a case, so that none takes longer than a fast test may."""


def test_the_names_of_every_room_are_there():
    assert {"scionwood.fit", "scionwood.adapters.freeze", "scionwood_batch.run"} <= THINGS.keys()
    assert "scionwood.authoring.InputPath" not in THINGS


@table("name", THINGS)
def test_it_has_an_example_at_the_end_of_its_docstring(name):
    before, heading, example = (THINGS[name].__doc__ or "").partition(HEADING)
    assert before
    assert heading, "the docstring has no section `Example:` with lines that start with `>>>`"
    assert all(line.startswith("        ") for line in example.rstrip().split("\n")[1:] if line)


def rooms() -> list[Any]:
    """Return the names by the room of the core, or the plugin, that defines them: each one case."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name, thing in (THINGS | OF_PLUGINS).items():
        package, _, rest = thing.__module__.partition(".")
        room = f"{package}.{rest.split('.')[0]}" if package == "scionwood" else package
        groups[name if name in LONG else room].append(name)
    return [
        pytest.param(
            names[start : start + TOGETHER],
            id=f"{room} {start // TOGETHER + 1}" if len(names) > TOGETHER else room,
            marks=[pytest.mark.slow] if room in LONG else [],
        )
        for room, names in groups.items()
        for start in range(0, len(names), TOGETHER)
    ]


# A Trainer of Lightning 2.6 on torch 2.13; `fit` ignores the warning too.
@pytest.mark.filterwarnings(r"ignore:`isinstance\(treespec:FutureWarning")
@pytest.mark.usefixtures("_one_thread", "blank_pictures")
@pytest.mark.parametrize("names", rooms())
def test_the_examples_of_a_room_run(names, tmp_path, subtests, monkeypatch):
    """Run each in an empty folder; `scionwood`, its `authoring` and `torch` are there."""
    for name in names:
        folder = tmp_path / name
        folder.mkdir()
        monkeypatch.chdir(folder)
        torch.manual_seed(0)
        with subtests.test(name):
            run_example(name)


def run_example(name: str) -> None:
    variables = {"scionwood": scionwood, "authoring": scionwood.authoring, "torch": torch}
    variables |= {room: import_module(room) for room in ROOMS if "." not in room}
    package = name.partition(".")[0]
    if package not in ROOMS:  # the names of a plugin need no import in its examples
        plugin = import_module(package)
        variables |= {public: getattr(plugin, public) for public in plugin.__all__}
    doc = (THINGS | OF_PLUGINS)[name].__doc__ or ""
    example = doctest.DocTestParser().get_doctest(doc, variables, name, None, None)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    result = runner.run(example, out=report.append)
    assert result.attempted > 0
    assert not result.failed, "".join(report)
