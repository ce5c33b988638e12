"""Worker processes give the same stream as the training process; their failure is noticed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from itertools import islice

import pytest
import torch
from distributed import LocalCluster

from scionwood import RecipeError, TrainingError
from scionwood_pde.data.online import OnlineFields
from scionwood_pde.online import (
    Cluster,
    Cropper,
    InProcessSource,
    OnlineLoop,
    Schedule,
    SideStream,
    Simulator,
    Source,
    Workers,
)

SIMULATOR = Simulator(("burgers", "wave"), 16, 2)


def loop_of(source: Source) -> OnlineLoop:
    return OnlineLoop(source, Cropper(16), Schedule(4, 1, 2))


@pytest.fixture
def workers() -> Iterator[Workers]:
    source = Workers(SIMULATOR, count=2, depth=1)
    yield source
    source.close()


def test_workers_give_the_same_stream_and_can_resume_it(workers):
    expected = torch.stack(list(islice(loop_of(InProcessSource(SIMULATOR)), 24)))
    loop = loop_of(workers)
    first = torch.stack(list(islice(loop, 12)))
    state = loop.state_dict()
    loop.load_state_dict(state)  # ends the processes and starts others
    rest = torch.stack(list(islice(loop, 12)))
    assert torch.equal(torch.cat([first, rest]), expected)


def test_notices_a_killed_worker(workers):
    workers.start(0)
    workers.take()
    pid = workers.processes[1].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(TrainingError, match="worker 1: it stopped with exit code -9"):
        # What it had sent before it died still arrives.
        [workers.take() for _ in range(20)]


def test_raises_an_error_from_a_worker():
    source = Workers(Simulator(("burgers",), 2), count=1)
    source.start(0)
    with pytest.raises(TrainingError, match="ValueError: n_points=2"):
        source.take()
    source.close()


def test_closing_stops_the_processes(workers):
    workers.start(0)
    processes = list(workers.processes)
    workers.close()
    assert not workers.processes
    for process in processes:
        with pytest.raises(ValueError, match="closed"):
            process.is_alive()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_side_stream_gives_the_simulations_in_their_order():
    source = SideStream(Simulator(("burgers", "wave"), 16, 2, device="cuda"))
    source.start(3)
    for index in (3, 4, 5):
        frames = source.take()
        assert frames.index == index
        assert torch.allclose(frames.fields.cpu(), SIMULATOR(index).fields, atol=1e-4)


def test_a_cluster_gives_the_same_stream_and_its_end_is_noticed():
    expected = torch.stack(list(islice(loop_of(InProcessSource(SIMULATOR)), 12)))
    options = {"processes": False, "n_workers": 2, "dashboard_address": None}
    with LocalCluster(**options, protocol="tcp://") as cluster:
        data = OnlineFields(
            equations=SIMULATOR.equations,
            n_points=16,
            crop=16,
            n_frames=2,
            depth=3,
            cluster=cluster.scheduler_address,
        )
        assert isinstance(data.source(), Cluster)
        source = Cluster(SIMULATOR, cluster.scheduler_address, depth=3)
        assert torch.equal(torch.stack(list(islice(loop_of(source), 12))), expected)
    with pytest.raises(TrainingError, match=r"simulation .* on tcp.*failed with"):
        [source.take() for _ in range(5)]
    source.close()


def test_refuses_a_cluster_that_does_not_answer(monkeypatch):
    monkeypatch.setattr("scionwood_pde.online.cluster.PATIENCE", 1.0)
    with pytest.raises(RecipeError, match="no scheduler answers there"):
        Cluster(SIMULATOR, "tcp://127.0.0.1:9").start(0)
    with pytest.raises(RecipeError, match="the workers of the cluster simulate"):
        OnlineFields(cluster="tcp://127.0.0.1:9", workers=2)
