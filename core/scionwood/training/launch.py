"""What a launcher, torchrun or srun, tells the processes that it starts. Reads the environment."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import timedelta
from time import strftime
from typing import final

_RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")
_RESTARTS = ("SLURM_RESTART_COUNT", "TORCHELASTIC_RESTART_COUNT")
_SHELLS = ("bash", "interactive")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NO_STEP = 2**32 - 16
"""SLURM numbers the step of an interactive shell, and other steps without srun, from here on."""


@final
@dataclass(frozen=True)
class Job:
    """A job of a launcher, which all of its processes see alike.

    Attributes:
        name: what tells it from other jobs, such as `slurm-1234.0`.
        restarted: whether the launcher started the same job before: SLURM requeued it, or torchrun
            restarted its processes.
    """

    name: str
    restarted: bool


def job() -> Job | None:
    """Return the job that started this process, or `None` if no launcher did.

    With `--master-addr` torchrun names no job. The first process then names it after the time, and
    the others read that from torchrun's own store.
    """
    name = _torchrun() or _srun()
    if not name:
        return None
    return Job(name, any(int(os.environ.get(key) or "0") > 0 for key in _RESTARTS))


def is_first() -> bool:
    """Return whether this process is the first of those that train together, and so may print."""
    return all(int(os.environ.get(name) or "0") == 0 for name in _RANKS)


def many() -> bool:
    """Return whether a launcher has started several processes."""
    return any(int(os.environ.get(key) or "1") > 1 for key in ("WORLD_SIZE", "SLURM_NTASKS"))


def _torchrun() -> str:
    run_id = os.environ.get("TORCHELASTIC_RUN_ID", "")
    if run_id and run_id != "none":
        # Of the UUID that torchrun draws for a job without a name, eight digits are enough.
        short = run_id[:8] if _UUID.fullmatch(run_id) else re.sub(r"[^\w.-]", "-", run_id)
        return f"torchrun-{short}"
    if run_id and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
        return "torchrun-" + _agreed(strftime("%Y%m%d-%H%M%S"))
    return ""


def _agreed(value: str) -> str:
    """Return the value of the process that comes first."""
    from torch.distributed import TCPStore  # type: ignore[attr-defined]  # missing in the stubs

    store = TCPStore(
        os.environ["MASTER_ADDR"],
        int(os.environ["MASTER_PORT"]),
        is_master=False,
        timeout=timedelta(minutes=5),
    )
    return bytes(store.compare_set("scionwood/job", "", value)).decode()


def _srun() -> str:
    number, step = os.environ.get("SLURM_JOB_ID", ""), os.environ.get("SLURM_STEP_ID", "")
    by_srun = number.isdigit() and step.isdigit() and int(step) < _NO_STEP
    shell = os.environ.get("SLURM_JOB_NAME") in _SHELLS
    return f"slurm-{number}.{step}" if by_srun and not shell else ""
