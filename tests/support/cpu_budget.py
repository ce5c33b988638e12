"""A fast test takes at most two CPU seconds; one of five seconds fails.

With `CPU_BUDGET=strict` in the environment each test above two seconds fails, unless it is marked
slow. `make test` is not strict, since processors differ.

A test above the limit runs once more in the same process, and only the second run counts. So the
first import of a library or the first compilation never hits the test that happens to need it
first, and a child that ends late is not charged to its neighbour. What fixtures of a module or a
session cost is counted apart, and printed. The limit grows with the time of a fixed computation. A
machine that other work crowds fails nothing: the caches are shared, and CPU seconds grow with load.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

SECONDS = 2.0
"""CPU seconds of a fast test on a machine of this pace."""
FAILING = 5.0
"""CPU seconds at which a fast test fails even where the budget is not strict."""
PACE = 0.016
"""CPU seconds of `computation` on the machine where the tests were measured."""
SHARED = "CPU seconds of a shared fixture"


def cpu() -> float:
    """Return the CPU seconds of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def computation() -> float:
    """Return the CPU seconds of a fixed piece of work, which needs the caches as the tests do."""
    start = time.process_time()
    table = {str(number): number * 7919 % 100_003 for number in range(50_000)}
    sorted(table, key=table.__getitem__)
    return time.process_time() - start


def limit() -> float:
    """Return the budget on this machine as it is now; there is none if other work crowds it."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
    if not hasattr(os, "getloadavg") or os.getloadavg()[0] > workers + 1.5:
        return math.inf
    seconds = SECONDS if os.environ.get("CPU_BUDGET") == "strict" else FAILING
    return seconds * max(1.0, min(computation() for _ in range(3)) / PACE)


@dataclass
class Bill:
    """What one run of a test costs in CPU seconds.

    Attributes:
        phases: Setup, call and teardown, with the shared fixtures.
        shared: The shared fixtures that were made in these phases.
        depth: How many shared fixtures are being made, one for the other.
    """

    phases: float = 0.0
    shared: dict[str, float] = field(default_factory=dict)
    depth: int = 0

    @property
    def test(self) -> float:
        """The test and its own fixtures."""
        return self.phases - sum(self.shared.values())


BILL = pytest.StashKey[Bill]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    item.stash[BILL] = bill = Bill()
    start = cpu()
    try:
        return (yield)
    finally:
        bill.phases += cpu() - start


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    start = cpu()
    try:
        return (yield)
    finally:
        item.stash[BILL].phases += cpu() - start


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    start = cpu()
    try:
        return (yield)
    finally:
        # After the last test of a module, the fixtures of the module end too.
        if nextitem is not None and nextitem.getparent(pytest.Module) is item.getparent(
            pytest.Module
        ):
            item.stash[BILL].phases += cpu() - start


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: Any, request: Any) -> Iterator[Any]:
    bill = request._pyfuncitem.stash.get(BILL, None)
    if fixturedef.scope == "function" or bill is None:
        return (yield)
    start = cpu()
    bill.depth += 1
    try:
        return (yield)
    finally:
        bill.depth -= 1
        if not bill.depth:
            bill.shared[f"{fixturedef.baseid}::{fixturedef.argname}"] = cpu() - start


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run a fast test, and once more if it was above the budget."""
    if item.get_closest_marker("slow") or item.get_closest_marker("gpu"):
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = runtestprotocol(item, log=False, nextitem=nextitem)
    shared = item.stash[BILL].shared
    seconds = item.stash[BILL].test
    if all(r.passed for r in reports) and seconds > SECONDS and seconds > (most := limit()):
        item._initrequest()  # type: ignore[attr-defined]  # as the plugins that rerun tests do
        second = runtestprotocol(item, log=False, nextitem=nextitem)
        seconds = item.stash[BILL].test
        # A test that changes a shared fixture fails the second time, and is not judged.
        if all(report.passed for report in second) and seconds > most:
            (call,) = (report for report in reports if report.when == "call")
            call.outcome = "failed"
            call.longrepr = (
                f"The test passes, but takes {seconds:.1f} CPU seconds when it runs again; a fast "
                f"test takes at most {most:.1f} here. Make it smaller, or mark it slow and leave a "
                "faster test of the same behaviour."
            )
    for report in reports:
        if report.when == "setup":
            report.user_properties += [(SHARED, pair) for pair in shared.items()]
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the shared fixtures that cost more than a fast test may."""
    costs = [
        pair
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, pair in getattr(report, "user_properties", ())
        if name == SHARED and report.when == "setup" and pair[1] > SECONDS
    ]
    if costs:
        terminalreporter.section("shared fixtures above the budget of a test, in CPU seconds")
    for name, seconds in sorted(costs, key=lambda pair: -pair[1]):
        terminalreporter.write_line(f"{seconds:6.1f}  {name}")
