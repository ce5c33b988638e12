"""Which GPU each worker sees. No GPU is needed to see the variable."""

from __future__ import annotations

import os

import pytest

from scionwood.batch.cluster import THREADS, local_client, visible_gpus

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


def test_all_listen_on_the_loopback_interface_and_two_maps_run_at_once(client):
    import psutil

    with local_client(1, most=1, gpus=False) as other:
        processes = [*client.run(os.getpid).values(), *other.run(os.getpid).values(), os.getpid()]
        sockets = [each for pid in processes for each in connections(psutil.Process(pid))]
    listening = {each.laddr.ip for each in sockets if each.status == "LISTEN"}
    assert listening == {"127.0.0.1"}


def test_there_are_no_more_workers_than_jobs():
    assert len(variables(workers=5, most=1, gpus=False)) == 1
