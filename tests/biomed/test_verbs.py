"""The examples of the Python interface run."""

import doctest

import pytest

import scionwood
import scionwood_biomed as biomed

from .scans import BONE, body, write_slice

TRAINED = {"study", "segment", "score", "Classifier"}
"""Names whose examples train a network."""
FUNCTIONS = {name: getattr(biomed, name) for name in biomed.__all__}


def fails(name, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scan = write_slice(tmp_path / "scan.dcm", body(BONE), patient="p1")
    names = {**FUNCTIONS, "run": str(run[0]), "scan": str(scan), "scionwood": scionwood}
    finder = doctest.DocTestFinder(recurse=False)
    (example,) = finder.find(FUNCTIONS[name], name, globs=names)
    assert example.examples, name
    return doctest.DocTestRunner().run(example).failed


def test_the_examples_run(run, tmp_path, monkeypatch):
    failed = [n for n in set(FUNCTIONS) - TRAINED if fails(n, run, tmp_path, monkeypatch)]
    assert not failed


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TRAINED))
def test_the_examples_that_train_run(name, run, tmp_path, monkeypatch):
    assert not fails(name, run, tmp_path, monkeypatch)
