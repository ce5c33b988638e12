"""The examples of the public names run as they are printed."""

from __future__ import annotations

import doctest
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from ase import Atoms

import scionwood_atoms

NAMES = {
    name: getattr(scionwood_atoms, name) for name in scionwood_atoms.__all__ if name != "plugin"
}


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory,
    runs: list[Path],
    shaken: Callable[..., list[Atoms]],
    label: Callable[..., Path],
) -> Path:
    """A folder with the runs and the labels that the examples name."""
    place = tmp_path_factory.mktemp("examples")
    label(place / "test.xyz", shaken("H2O", n=4, seed=1))
    label(place / "train.xyz", [*shaken("H2O", n=6), Atoms("H"), Atoms("O")])
    for name, run in zip(("water", "other"), runs, strict=True):
        shutil.copytree(run, place / "runs" / name)
    return place


@pytest.mark.parametrize("name", NAMES)
def test_the_example_of_a_public_name_runs(name, folder, monkeypatch):
    monkeypatch.chdir(folder)
    text = NAMES[name].__doc__
    example = doctest.DocTestParser().get_doctest(text, dict(NAMES), name, None, None)
    assert example.examples
    report: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=report.append)
    assert not result.failed, "".join(report)
