"""The examples of the Python interface run."""

from __future__ import annotations

import doctest

from scionwood_biomed import api

from .scans import BONE, body, write_slice


def test_the_examples_run(run, tmp_path):
    folder, _ = run
    scan = write_slice(tmp_path / "scan.dcm", body(BONE), patient="p1")
    for name in api.__all__:
        function = getattr(api, name)
        if function.__module__ != api.__name__:
            continue
        (example,) = doctest.DocTestFinder(recurse=False).find(
            function, name, globs={**vars(api), "run": str(folder), "scan": str(scan)}
        )
        assert example.examples, name
        assert doctest.DocTestRunner().run(example).failed == 0
