"""Every public name of the core has an example in its docstring, and the example runs."""

from __future__ import annotations

import doctest
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_origin

import pytest
import torch

import scionwood
from scionwood.plugins import discovery

ROOMS = ["scionwood", *(f"scionwood.{name}" for name in ("authoring", "adapters", "kernels"))]
ROOMS += ["scionwood.training", "scionwood_batch", "scionwood_export", "scionwood_sandbox"]
HEADING = "\n    Example:\n        >>> "


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


def borrowed() -> dict[str, Any]:
    """Return what the `api` of a plugin takes from other modules; its own tests run the rest."""
    things = {}
    for plugin in discovery.entries():
        if find_spec(f"scionwood_{plugin}.api") is None:  # its tests run all of its examples
            continue
        api = import_module(f"scionwood_{plugin}.api")
        for name in getattr(api, "__all__", ()):
            if not getattr(api, name).__module__.startswith(api.__name__):
                things[f"{api.__name__}.{name}"] = getattr(api, name)
    return things


THINGS = documented()
BORROWED = borrowed()


def test_the_names_of_every_room_are_there() -> None:
    assert {"scionwood.fit", "scionwood.adapters.freeze", "scionwood_batch.run"} <= THINGS.keys()
    assert "scionwood.authoring.InputPath" not in THINGS


@pytest.mark.parametrize("name", THINGS)
def test_it_has_an_example_at_the_end_of_its_docstring(name: str) -> None:
    before, heading, example = (THINGS[name].__doc__ or "").partition(HEADING)
    assert before
    assert heading, "the docstring has no section `Example:` with lines that start with `>>>`"
    assert all(line.startswith("        ") for line in example.rstrip().split("\n")[1:] if line)


# A Trainer of Lightning 2.6 on torch 2.13; `fit` ignores the warning too.
@pytest.mark.filterwarnings(r"ignore:`isinstance\(treespec:FutureWarning")
@pytest.mark.usefixtures("_one_thread")
@pytest.mark.parametrize("name", THINGS | BORROWED)
def test_its_example_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run it in an empty folder; `scionwood`, its `authoring` and `torch` need no import there."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    names = {"scionwood": scionwood, "authoring": scionwood.authoring, "torch": torch}
    names |= {room: import_module(room) for room in ROOMS if "." not in room}
    doc = (THINGS | BORROWED)[name].__doc__ or ""
    example = doctest.DocTestParser().get_doctest(doc, names, name, None, None)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    result = runner.run(example, out=report.append)
    assert result.attempted > 0
    assert not result.failed, "".join(report)
