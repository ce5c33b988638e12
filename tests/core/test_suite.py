"""The suite's own rules: what a fast test may cost, and how a table reports its rows."""

import cpu_budget

COSTS = """
import functools, pytest, subprocess, sys, time

def work(seconds=0.2):
    start = time.process_time()
    while time.process_time() - start < seconds:
        pass

first = functools.cache(work)

@pytest.fixture(scope="module")
def shared():
    work()

def test_first_import(): first()
def test_shared_fixture(shared): pass
def test_long(): work()
def test_child():
    subprocess.run([sys.executable, "-c", "import time\\nwhile time.process_time() < 0.2: pass"])
@pytest.mark.slow
def test_slow(): work()
"""
TABLE = """
from case_table import table

@table("number, other", [(1, 1), (2, 3), (4, 5)])
@table("word", ["one", "two"])
def test_rows(number, other, word, tmp_path, monkeypatch):
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    monkeypatch.setenv("WORD", word)
    assert number == other or word == "two"

@table("number", [1, 2, 3, 4, 5], parts=2)
def test_parts(number):
    assert number != 4
"""


def test_a_test_fails_that_is_above_the_budget_whenever_it_runs(pytester, monkeypatch):
    monkeypatch.setattr(cpu_budget, "SECONDS", 0.08)
    monkeypatch.setenv("CPU_BUDGET", "strict")
    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(COSTS)
    result = pytester.runpytest_inprocess("-p", "cpu_budget", "-W", "ignore")
    result.assert_outcomes(passed=3, failed=2)
    result.stdout.fnmatch_lines(["*shared fixtures above the budget*", "*0.2 *::shared"])
    result.stdout.fnmatch_lines(["FAILED *::test_long*", "FAILED *::test_child*"])


def test_a_table_names_every_row_that_fails(pytester, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(TABLE)
    result = pytester.runpytest_inprocess()
    rows = [line.split()[0] for line in result.outlines if line.startswith("SUBFAILED")]
    assert rows == ["SUBFAILED[one-2-3]", "SUBFAILED[one-4-5]", "SUBFAILED[4]"]
    assert "1 passed" in result.outlines[-1]
