"""How many threads a computation on the CPU should use beside other processes.

The threads of one operation wait for each other at its end. Beside a busy process one of them is
often not running, and the others wait for it, thousands of times in a training step. Fewer threads
than cores are then faster than as many: see `benchmarks/busy_machine.py`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import psutil
import torch

VARIABLE = "OMP_NUM_THREADS"
"""Whoever sets this variable decides, and nothing is measured."""

_SECONDS = 0.1
_NEARLY = 0.3  # a core of which others use less than this counts as free
_QUOTAS = (  # of a container: the files of quota and period, of both versions of cgroups
    ("cpu.max",),
    ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"),
)
_chosen, _limit = 0, 0  # what was set here, and the most that the user lets torch have


def use_free_cores() -> int:
    """Let torch use as many threads as cores are free now; say so if these are not all.

    The number that torch has is the most. It takes 0.1 s, and nothing if `OMP_NUM_THREADS` is set.
    """
    global _chosen, _limit
    if os.environ.get(VARIABLE):
        return torch.get_num_threads()
    if torch.get_num_threads() != _chosen:  # the first call, or the user has set another number
        _limit = torch.get_num_threads()
    if _limit > 1:
        _chosen = max(1, min(_limit, int(free_cores() + _NEARLY)))
        torch.set_num_threads(_chosen)
        if _chosen < _limit:
            print(
                f"{_chosen} of {_limit} threads, since other processes use the other cores; "
                f"{VARIABLE} sets another number",
                file=sys.stderr,
            )
    return torch.get_num_threads()


def use_threads(number: Any) -> None:
    """Use the number of threads that a checkpoint states, so that resuming rounds as before.

    Anything but a number between 1 and that of the cores changes nothing.
    """
    global _chosen
    possible = isinstance(number, int) and 1 <= number <= (os.cpu_count() or 1)
    if possible and not os.environ.get(VARIABLE):
        torch.set_num_threads(number)
        _chosen = number


def free_cores() -> float:
    """Return how many of the cores of this process are idle, within the quota of its container."""
    shares = psutil.cpu_percent(interval=_SECONDS, percpu=True)
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(len(shares))
    idle = float(sum(1 - shares[core] / 100 for core in cores if core < len(shares)))
    return min(idle, _quota())


def _quota(root: Path = Path("/sys/fs/cgroup")) -> float:
    """Return the cores that a container may use; infinity without a limit."""
    for names in _QUOTAS:
        try:
            words = " ".join((root / name).read_text("ascii") for name in names).split()
        except OSError:
            continue
        if len(words) == 2 and words[0] not in ("max", "-1"):
            return int(words[0]) / int(words[1])
    return float("inf")
