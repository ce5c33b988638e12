"""Change one line of the code at random, many times, and see whether the fast tests notice.

    python tests/mutation/trial.py copy  --tree DIR --out OUT   # the committed files of a checkout
    python tests/mutation/trial.py cover --out OUT              # which tests reach which lines
    python tests/mutation/trial.py draw  --out OUT --n 300      # mutants.jsonl
    python tests/mutation/trial.py run   --out OUT              # results.jsonl; it resumes

To compare two suites on the same mutants, copy `mutants.jsonl` of the first into the other folder:
a mutant is named by its function and the text of its line, so that it is found in a file that has
moved. Each runs in a forked process with the tests that reach its line, the fastest first, until
one fails. `cover` and `run` need the package coverage.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft  # noqa: F401  # before the forks, so that each imports only the tree
import pytest
import torch  # noqa: F401
import transformers.modeling_utils  # noqa: F401
from mutants import SCOPE, Mutant, changed, draw

TESTS = ("tests/core", "tests/seismic")
OPTIONS = ["-m", "not slow", "-p", "no:cacheprovider", "--tb=line"]
OPTIONS += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # of what is imported before
BUDGET, LIMIT = 90.0, 600.0
"""Seconds that the tests of a mutant took without it, and the limit of wall time in seconds."""


def forked(root: Path, work: Callable[[], int], log: Path, limit: float) -> int | None:
    """Return the exit code of work in a forked process in a tree, or nothing past the limit."""
    pid = os.fork()
    if not pid:
        os.setsid()
        os.chdir(root)
        shown = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(shown, 1), os.dup2(shown, 2)
        own = [root / "core", root / "core/sandbox", root / "core/kit", *root.glob("plugins/*")]
        sys.path[:0] = [str(path) for path in own]
        os.environ["PYTHONPATH"] = os.pathsep.join(map(str, own))
        code = 1
        try:
            code = work()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
    end, done = time.monotonic() + limit, (0, 0)
    while not done[0] and time.monotonic() < end:
        time.sleep(0.1)
        done = os.waitpid(pid, os.WNOHANG)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)  # what its tests have started
    if not done[0]:
        os.waitpid(pid, 0)
        return None
    return os.waitstatus_to_exitcode(done[1])


class Recorder:
    """A plugin of pytest: the lines of each test, its time and whether it passed."""

    def __init__(self, root: Path, data: Path) -> None:
        import coverage

        include = [str(root / glob) for glob in SCOPE]
        self.measure = coverage.Coverage(data_file=str(data), include=include, config_file=False)
        self.tests: dict[str, list[Any]] = {}

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.measure.switch_context(nodeid)

    def pytest_runtest_logreport(self, report: Any) -> None:
        seconds, passed = self.tests.get(report.nodeid, [0.0, True])
        self.tests[report.nodeid] = [seconds + report.duration, passed and report.passed]


def cover(root: Path, out: Path, tests: list[str]) -> None:
    """Run the fast tests of each folder once, and write which lines they reach."""
    (out / "cover").mkdir(exist_ok=True)
    folders = sorted({path.parent for test in tests for path in (root / test).rglob("test_*.py")})
    for folder in folders:
        name = str(folder.relative_to(root)).replace("/", ".")
        done, files = out / "cover" / f"{name}.json", sorted(map(str, folder.glob("test_*.py")))

        def work(name: str = name, done: Path = done, files: list[str] = files) -> int:
            recorder = Recorder(root, out / "cover" / f"{name}.data")
            with recorder.measure.collect():
                code = pytest.main(["-q", *OPTIONS, *files], plugins=[recorder])
            recorder.measure.save()
            done.write_text(json.dumps(recorder.tests))
            return int(code)

        if not done.exists():
            print(name, forked(root, work, out / "cover" / f"{name}.log", 4 * 3600), flush=True)


def reaching(out: Path, places: list[tuple[Path, int]]) -> dict[tuple[Path, int], list[str]]:
    """Return the tests that reach each line, the fastest first, within the budget of seconds."""
    import coverage

    made: dict[tuple[Path, int], dict[str, float]] = {place: {} for place in places}
    for path in (out / "cover").glob("*.json"):
        times, data = (
            json.loads(path.read_text()),
            coverage.CoverageData(str(path.with_suffix(".data"))),
        )
        data.read()
        for place in places:
            for test in data.contexts_by_lineno(str(place[0])).get(place[1], ()):
                if times.get(test, [0, False])[1]:
                    made[place][test] = times[test][0]
    chosen = {}
    for place, seconds in made.items():
        total, chosen[place] = 0.0, list[str]()
        for test in sorted(seconds, key=lambda test: seconds[test]):
            total += seconds[test]
            chosen[place] += [test] if total < BUDGET or not chosen[place] else []
    return chosen


def run(root: Path, out: Path) -> None:
    """Run the tests of each mutant that has no result yet."""
    every = [
        Mutant(**json.loads(line)) for line in (out / "mutants.jsonl").read_text().splitlines()
    ]
    results = out / "results.jsonl"
    results.touch()
    known = [json.loads(line)["mutant"] for line in results.read_text().splitlines()]
    open_ = [(mutant, changed(root, mutant)) for mutant in every if list(mutant) not in known]
    tests = reaching(out, [(found[0], found[2]) for _, found in open_ if found])
    for mutant, found in open_:
        chosen, start = tests[found[0], found[2]] if found else [], time.monotonic()
        verdict = "gone" if found is None else "unreached"
        if found and chosen:
            before, status = found[0].read_text(), found[0].stat()
            try:
                found[0].write_text(found[1])
                options = ["-q", "-x", *OPTIONS, *chosen]
                code = forked(root, lambda o=options: int(pytest.main(o)), out / "log", LIMIT)
            finally:
                found[0].write_text(before)
                os.utime(found[0], ns=(status.st_atime_ns, status.st_mtime_ns))
            verdict = {0: "survived", None: "killed by time"}.get(code, "killed")
        line = {
            "verdict": verdict,
            "tests": len(chosen),
            "seconds": round(time.monotonic() - start),
        }
        with results.open("a") as file:
            file.write(json.dumps({**line, "mutant": mutant}) + "\n")
    verdicts = [json.loads(line)["verdict"] for line in results.read_text().splitlines()]
    print(Counter(verdicts))


def main() -> None:
    """Run one of the four steps."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("step", choices=["copy", "cover", "draw", "run"])
    parser.add_argument("--tree", type=Path, help="a checkout")
    parser.add_argument("--out", type=Path, required=True, help="a folder outside of any checkout")
    parser.add_argument("--n", type=int, default=300, help="how many mutants")
    parser.add_argument("--seed", type=int, default=0, help="the seed of the draw")
    parser.add_argument("--tests", nargs="*", default=TESTS, help="folders of tests")
    options = parser.parse_args()
    out, root = options.out.resolve(), options.out.resolve() / "tree"
    match options.step:
        case "copy":
            packed = subprocess.check_output(["git", "-C", options.tree, "archive", "HEAD"])
            with tarfile.open(fileobj=io.BytesIO(packed)) as files:
                files.extractall(root, filter="tar")
        case "cover":
            cover(root, out, options.tests)
        case "draw":
            lines = [json.dumps(each._asdict()) for each in draw(root, options.n, options.seed)]
            (out / "mutants.jsonl").write_text("\n".join(lines) + "\n")
        case "run":
            run(root, out)


if __name__ == "__main__":
    main()
