"""Processes that work: on this machine, or those of a scheduler that runs already."""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from scionwood_batch.errors import BatchError

if TYPE_CHECKING:
    from distributed import Client

PATIENCE = 5
"""Seconds to wait for a scheduler."""

DEATHS = 2
"""A job may lose its worker so often and is tried again; it is given up the next time."""

_CONFIG = {
    "distributed.scheduler.allowed-failures": DEATHS,
    # A worker gets a job when it is free: one that dies takes no other job with it.
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.worker.profile.enabled": False,
    # A command may start processes of its own, which those of a daemon may not.
    "distributed.worker.daemon": False,
    "distributed.comm.timeouts.connect": PATIENCE,
}
MARK = "SCIONWOOD_MAP"
"""A variable by which the processes of one map are known, whoever started them."""

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Variables that say how many threads a library uses."""

_LOOPBACK = "127.0.0.1"
_LOGGERS = ("distributed", "distributed.client", "tornado", "tornado.application")
_QUIET = 50  # logging.CRITICAL: what happens to a worker is in the rows


@contextmanager
def local_client(workers: int | None, *, most: int, gpus: bool) -> Iterator[Client]:
    """Start processes on this machine, which end with the block or with this process.

    They listen on the loopback interface only. Each works on one job at a time, with one thread
    unless `OMP_NUM_THREADS` is set.

    Args:
        workers: how many; by default one a core, or one a GPU.
        most: more are never needed.
        gpus: give each worker one of the visible GPUs.

    Raises:
        BatchError: the package `distributed` is not installed.
    """
    distributed = engine()
    import dask
    from dask.system import CPU_COUNT

    devices = visible_gpus() if gpus else []
    workers = min(workers or len(devices) or CPU_COUNT, most)
    # Another number of threads rounds differently: results must not depend on `workers`.
    common = {name: os.environ.get(name, "1") for name in THREADS} | {MARK: uuid4().hex}
    specification = {}
    for number in range(workers):
        env = common | ({"CUDA_VISIBLE_DEVICES": devices[number % len(devices)]} if devices else {})
        options = {"nthreads": 1, "memory_limit": 0, "env": env, "host": _LOOPBACK}
        options["silence_logs"] = _QUIET
        specification[number] = {"cls": distributed.Nanny, "options": options}
    # Even without a dashboard the scheduler listens for HTTP, on port 8787 unless told otherwise.
    scheduler = {"host": _LOOPBACK, "dashboard": False, "dashboard_address": f"{_LOOPBACK}:0"}
    with ExitStack() as stack:
        stack.callback(_end_stragglers, common[MARK])
        stack.enter_context(dask.config.set(_CONFIG))
        cluster = distributed.SpecCluster(
            workers=specification,
            scheduler={"cls": distributed.Scheduler, "options": scheduler},
            silence_logs=_QUIET,
        )
        stack.enter_context(cluster)
        # As the default client it would compute the user's own arrays of dask too, in processes
        # that do not see the stores in the user's memory: Zarr reads NaN from what is missing.
        yield stack.enter_context(distributed.Client(cluster, set_as_default=False))


def _end_stragglers(mark: str) -> None:
    """End the processes that commands have started, and that their workers have left behind."""
    psutil: Any = import_module("psutil")
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # of another user, or gone
            if process.environ().get(MARK) == mark:
                process.kill()


@contextmanager
def remote_client(address: str) -> Iterator[Client]:
    """Connect to a scheduler that runs already.

    Args:
        address: such as `tcp://10.0.0.1:8786`, or the path of a scheduler file.

    Raises:
        BatchError: nothing answers there, or the package `distributed` is not installed.
    """
    distributed = engine()
    import dask

    place: dict[str, Any] = {"address": address}
    if address.endswith(".json"):
        place = {"scheduler_file": address}
    with dask.config.set(_CONFIG), _quiet():
        try:
            if "scheduler_file" in place and not os.path.exists(address):
                raise FileNotFoundError("there is no such file")
            client = distributed.Client(**place, timeout=PATIENCE, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            rule = f"no scheduler answers within {PATIENCE} s ({error})"
            remedy = "Start one: dask scheduler. Or leave out --scheduler"
            raise BatchError(f"scheduler {address}", rule, remedy) from error
        with client:
            yield client


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the log of a lost connection, with its tracebacks, from the terminal."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(_QUIET)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def visible_gpus() -> list[str]:
    """Return the GPUs that this process may use, without importing torch."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name for name in chosen.split(",") if name]
    try:
        command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
        listed = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):  # no driver
        return []
    return listed.stdout.split() if listed.returncode == 0 else []


def engine() -> Any:
    """Return the package `distributed`, which is imported when a map starts.

    Raises:
        BatchError: it is not installed.
    """
    try:
        import distributed
    except ImportError as error:
        remedy = "Install it: pip install distributed filelock"
        raise BatchError("map", "needs the package distributed", remedy) from error
    return distributed
