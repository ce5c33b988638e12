"""Files that once had a fault are read or refused now, in the service and without it."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from scionwood.decoding.switch import possible
from scionwood.testing import replay
from scionwood.testing.fuzzing.corpus import load_case

CORPUS = Path(__file__).parent / "corpus"
CASES = sorted(CORPUS.glob("*.json"))
DEADLY = ("crash", "time", "memory", "death", "hang")
"""Faults that could end this process; such a file is read in the service alone."""


@pytest.fixture(autouse=True)
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCIONWOOD_READERS", "inline")


def test_the_corpus_is_small() -> None:
    assert CASES
    assert max(path.stat().st_size for path in CASES) < 20_000
    assert sum(path.stat().st_size for path in CASES) < 500_000


@pytest.mark.skipif(not possible(), reason="this system has no reader service")
@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_case_is_harmless_in_the_service(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reading = replay(path)
    assert not reading.is_fault, reading


@pytest.mark.parametrize(
    "path",
    [path for path in CASES if load_case(path).fault.kind not in DEADLY],
    ids=lambda path: path.stem,
)
def test_a_case_is_harmless_in_this_process(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reading = replay(path, service=False)
    assert not reading.is_fault, reading
