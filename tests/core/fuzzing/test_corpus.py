"""Files that once had a fault are read or refused now, in the service and without it."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from case_table import table

from scionwood_kit import replay
from scionwood_kit.fuzzing.corpus import load_case
from scionwood_sandbox import Limits
from scionwood_sandbox.decoding.switch import possible

CORPUS = Path(__file__).parent / "corpus"
CASES = sorted(CORPUS.glob("*.json"))
DEADLY = ("died", "time", "memory", "death", "hang")
"""Faults that could end this process; such a file is read in the service alone."""


@pytest.fixture(autouse=True)
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCIONWOOD_READERS", "inline")


def test_the_corpus_is_small():
    assert CASES
    assert max(path.stat().st_size for path in CASES) < 20_000
    assert sum(path.stat().st_size for path in CASES) < 500_000


SLOW = [path for path in CASES if load_case(path).fault.kind == "time"]
"""Files that are ended for their time, and take it."""


def replayed(path: Path) -> None:
    """A library that dies or hangs on a file does so in the child."""
    before = load_case(path).fault.kind
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reading = replay(path, limits=Limits(cpu=2))
    allowed = {before} if before in DEADLY else set()
    assert not reading.is_fault or reading.kind in allowed, reading


@pytest.mark.skipif(not possible(), reason="this system has no reader service")
@table("path", [path for path in CASES if path not in SLOW], ids=lambda path: path.stem, parts=3)
def test_a_case_reaches_the_caller_as_an_error_at_most(path):
    replayed(path)


@pytest.mark.slow
@pytest.mark.skipif(not possible(), reason="this system has no reader service")
@pytest.mark.parametrize("path", SLOW, ids=lambda path: path.stem)
def test_a_case_that_takes_its_time_is_ended(path):
    replayed(path)


@table(
    "path",
    [path for path in CASES if load_case(path).fault.kind not in DEADLY],
    ids=lambda path: path.stem,
)
def test_a_case_is_harmless_in_this_process(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reading = replay(path, service=False)
    assert not reading.is_fault, reading
