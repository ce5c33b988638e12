"""Which GPU each worker sees. No GPU is needed to see the variable."""

import os
import time
from pathlib import Path

import pytest

from scionwood_batch import jobs_for, run
from scionwood_batch.cluster import THREADS, local_client, visible_gpus

NAMES = ("CUDA_VISIBLE_DEVICES", *THREADS)


@pytest.fixture(autouse=True)
def _engine():
    pytest.importorskip("distributed")


def variables(**options):
    with local_client(**options) as client:
        return sorted(client.run(lambda: tuple(map(os.environ.get, NAMES))).values())


def connections(process):
    newer = getattr(process, "net_connections", None)  # psutil 6 renamed it
    return newer() if newer else process.connections()


def test_one_worker_for_each_visible_gpu(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    seen = variables(workers=None, most=9, gpus=True)
    assert seen == [("3", "4", "1", "1"), ("5", "4", "1", "1")]


def test_without_a_driver_there_is_no_gpu(monkeypatch, tmp_path):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert visible_gpus() == []
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 0\necho 1\n")
    tool.chmod(0o755)
    assert visible_gpus() == ["0", "1"]
    tool.write_text("#!/bin/sh\necho no driver\nexit 9\n")
    assert visible_gpus() == []


def test_the_arrays_of_the_user_are_not_computed_by_the_workers_of_a_map(client):
    import dask.array as da

    assert (
        int(da.ones(1, chunks=1).map_blocks(lambda x: x * os.getpid()).compute()[0]) == os.getpid()
    )


def test_all_listen_on_the_loopback_interface_and_two_maps_run_at_once(client):
    import psutil

    with local_client(5, most=1, gpus=False) as other:  # no more workers than jobs
        assert len(other.run(os.getpid)) == 1
        processes = [*client.run(os.getpid).values(), *other.run(os.getpid).values(), os.getpid()]
        sockets = [each for pid in processes for each in connections(psutil.Process(pid))]
    listening = {each.laddr.ip for each in sockets if each.status == "LISTEN"}
    assert listening == {"127.0.0.1"}


@pytest.mark.slow
def test_a_job_that_always_kills_its_worker_costs_no_other_and_leaves_no_process(here):
    (here / "in/2.txt").write_text("leave and die")
    rows = {
        Path(row.target).stem: row
        for row in run("many/copy", jobs_for(["in"], "out/{name}"), workers=1)
    }
    statuses = {name: row.status for name, row in rows.items()}
    assert statuses == dict.fromkeys("01345", "done") | {"2": "died"}
    assert rows["2"].error.startswith("its worker died 3 times")
    left = [int(pid) for pid in (here / "in/2.pids").read_text().split()]
    assert len(left) == 3
    while any(map(running, left)):  # a process that is killed needs a moment to end
        time.sleep(0.05)


def running(pid):
    """Whether a process runs; one that nobody has waited for does not."""
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"
