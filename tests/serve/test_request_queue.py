"""Jobs wait in line; those of one kind that wait are done together, and none is lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

import scionwood
from scionwood_serve.web.signatures import options_of
from scionwood_serve.worker.engine import many_of
from scionwood_serve.worker.request_queue import RequestQueue

Work = Callable[[list[str]], list[dict[str, Any]]]


def done(jobs: list[str], most: int) -> tuple[list[list[str]], list[Any]]:
    """Let jobs wait while the first one is done; return what was done together, and the answers."""
    batches: list[list[str]] = []
    first, go = threading.Event(), threading.Event()

    def work(some: list[str]) -> list[dict[str, Any]]:
        batches.append(some)
        first.set()
        assert go.wait(60)
        if any("bad" in job for job in some):
            raise ValueError("bad")
        return [{"job": job} for job in some]

    async def ask() -> list[Any]:
        queue = RequestQueue(work, kind=lambda job: None if job == "alone" else job[0], most=most)
        head = asyncio.create_task(queue.do("head"))
        await asyncio.to_thread(first.wait)
        rest = [asyncio.create_task(queue.do(job)) for job in jobs]
        await asyncio.sleep(0)
        go.set()
        return await asyncio.gather(head, *rest, return_exceptions=True)

    return batches, asyncio.run(ask())


def test_what_waits_and_is_of_one_kind_is_done_together_in_order():
    jobs = ["a1", "b1", "a2", "alone", "b2", "a3", "alone"]
    batches, answers = done(jobs, most=8)
    assert batches == [["head"], ["a1", "a2", "a3"], ["b1", "b2"], ["alone"], ["alone"]]
    assert [answer["job"] for answer in answers] == ["head", *jobs]
    for most, sizes in ((1, [1, 1, 1, 1]), (2, [1, 2, 1])):
        batches, _ = done(["a1", "a2", "a3"], most=most)
        assert [len(batch) for batch in batches] == sizes


def test_jobs_that_fail_together_are_done_alone():
    batches, answers = done(["a1", "abad", "a2"], most=8)
    assert batches == [["head"], ["a1", "abad", "a2"], ["a1"], ["abad"], ["a2"]]
    assert isinstance(answers[2], ValueError)
    assert [answers[1], answers[3]] == [{"job": "a1"}, {"job": "a2"}]


@pytest.mark.parametrize("single", [False, True])
def test_a_job_that_takes_long_holds_up_nobody_unless_it_must_be_single(single):
    events: list[str] = []
    go = threading.Event()

    def work(some: list[str]) -> list[dict[str, Any]]:
        events.append(some[0])
        if some[0] == "hangs":
            assert go.wait(60)
            events.append("ends")
        return [{} for _ in some]

    async def ask() -> None:
        queue = RequestQueue(
            work, kind=lambda job: None, beside=3, patience=0.1,
            single=lambda job: single and job == "hangs",
        )  # fmt: skip
        jobs = [asyncio.create_task(queue.do(job)) for job in ("hangs", "good", "better")]
        await asyncio.sleep(0.05)
        assert events == ["hangs"]  # one at a time, as long as that is quick
        _, late = await asyncio.wait(jobs, timeout=0.3)
        assert len(late) == (3 if single else 1)
        go.set()
        await asyncio.gather(*jobs)

    asyncio.run(ask())
    last = ["ends", "good", "better"] if single else ["good", "better", "ends"]
    assert events == ["hangs", *last]


def test_a_request_that_nobody_waits_for_is_left_out():
    ran: list[str] = []
    started, go = threading.Event(), threading.Event()

    def work(some: list[str]) -> list[dict[str, Any]]:
        ran.extend(some)
        started.set()
        assert go.wait(60)
        return [{} for _ in some]

    async def ask() -> None:
        queue = RequestQueue(work, kind=lambda job: "same")
        head = asyncio.create_task(queue.do("head"))
        await asyncio.to_thread(started.wait)
        left, kept = (asyncio.create_task(queue.do(name)) for name in ("left", "kept"))
        await asyncio.sleep(0)
        left.cancel()
        await asyncio.sleep(0)
        go.set()
        await asyncio.gather(head, kept)

    asyncio.run(ask())
    assert ran == ["head", "kept"]


def test_the_fields_that_can_do_several_at_once_take_the_options_of_the_service():
    import inspect

    offered = [
        f"{entry.name}/{name}"
        for entry in scionwood.authoring.plugins()
        for name in (entry.plugin.services if entry.plugin else ())
    ]
    found = {name for name in offered if many_of(name)}
    assert {"bangla/generate", "biomed/classify"} <= found
    for service in found:
        many = many_of(service)
        assert many is not None
        assert list(inspect.signature(many).parameters)[:3] == ["loaded", "sources", "outs"]
        words = options_of(many).keys() - {"loaded", "sources", "outs"}
        assert words == options_of(scionwood.load("services", service)).keys()
