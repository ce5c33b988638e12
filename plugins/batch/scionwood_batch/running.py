"""Run a command over many jobs, and record what became of each."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scionwood_batch.cluster import DEATHS, engine, local_client
from scionwood_batch.errors import BatchError
from scionwood_batch.jobs import Job, check_targets
from scionwood_batch.lifting import (
    Lifted,
    also_read,
    check_options,
    check_outputs,
    key,
    lift,
    stamp_of,
)
from scionwood_batch.manifest import MANIFEST, Manifest, Row, read_manifest
from scionwood_batch.worker import Answer, Call, work

if TYPE_CHECKING:
    from distributed import Client

_LOST = "the scheduler ended before the job did"
_POLL = 0.02  # seconds between two looks at what has ended


@dataclass(frozen=True)
class Plan:
    """What is to do.

    Attributes:
        manifest: the file of the rows.
        todo: the call of each job that is to run, with its row.
        skipped: the rows of jobs that an earlier map has done.
        gpus: whether the command uses GPUs.
    """

    manifest: Path
    todo: list[tuple[Call, Row]]
    skipped: list[Row]
    gpus: bool


def run(
    command: str,
    jobs: Sequence[Job],
    options: Sequence[str] = (),
    *,
    workers: int | None = None,
    client: Client | None = None,
    manifest: str | Path | None = None,
    retry_failed: bool = False,
    force: bool = False,
) -> Iterator[Row]:
    """Run a command for each job, and yield a row as soon as a job has ended.

    A job that an earlier call has done is skipped if its source, the options, the files that they
    name and the weights of the run are the same. An error of one job, or the death of its worker,
    stops no other. Each row is in `manifest.jsonl` before it is yielded.

    Args:
        command: `plugin/command`, whose positional parameters are a source and a target, or a
            target.
        jobs: see `jobs_for` and `jobs_over`.
        options: the words of the command line that all jobs share, such as `["--tile", "128"]`.
        workers: processes on this machine; by default one a core, or one a GPU.
        client: a client of `distributed`, whose workers are used instead.
        manifest: the file; by default `manifest.jsonl` in the folder above all targets.
        retry_failed: run only the jobs that failed or died.
        force: run every job, and replace results that exist.

    Returns:
        The rows of skipped jobs, then the others in the order in which they end. Nothing starts
        before the first row is asked for. A script needs `if __name__ == "__main__":`, because each
        worker imports it.

    Raises:
        BatchError: the jobs do not fit the command, or targets exist that no map has made.
        ReadError: a source does not exist.

    Example:
        >>> from distributed import Client
        >>> from scionwood_batch import jobs_over, run
        >>> jobs = jobs_over("seed", range(2), "states/{seed}.zarr")
        >>> options = ["--n=1", "--n-points=16", "--n-steps=2"]
        >>> with Client(processes=False, n_workers=1, dashboard_address=None) as client:
        ...     [row.status for row in run("pde/simulate", jobs, options, client=client)]
        ['done', 'done']
    """
    job_plan = plan(
        command, jobs, options, manifest=manifest, retry_failed=retry_failed, force=force
    )
    return _run(job_plan, workers, client)


def plan(
    command: str,
    jobs: Sequence[Job],
    options: Sequence[str] = (),
    *,
    manifest: str | Path | None = None,
    retry_failed: bool = False,
    force: bool = False,
) -> Plan:
    """Decide which jobs are to run, and refuse what cannot work before anything starts.

    Args and errors: see `run`.
    """
    lifted = lift(command)
    check_options(lifted, options, jobs)
    check_targets(jobs)
    path = Path(manifest) if manifest else _above([job.target for job in jobs]) / MANIFEST
    old = read_manifest(path)
    if retry_failed:
        jobs = [job for job in jobs if _failed(old.get(_name(job.target, path)))]
    first = [_arguments(lifted, job, options) for job in jobs[:2]]
    check_outputs(lifted, first)
    others = also_read(lifted, first[0]) if first else {}
    has_field = any("{" in word for word in options)  # each job may name others
    todo, skipped, foreign = [], [], []
    for job in jobs:
        others = also_read(lifted, _arguments(lifted, job, options)) if has_field else others
        row = _row(lifted, job, path, key(lifted, job, options, others))
        before = old.get(row.target)
        exists = job.target.exists()
        if exists and before and not force and _same(before, row) and before.status == "done":
            skipped.append(replace(before, status="skipped"))
            continue
        if exists and not force and (before is None or before.key != row.key):
            foreign.append(job.target)
        argv = lifted.argv(job, options, replace=exists)
        todo.append((Call(lifted.name, argv, job.target, os.getcwd()), row))
    _refuse_foreign(foreign)
    device = str(first[0].get("device", "")) if first else ""
    return Plan(path, todo, skipped, device.startswith("cuda"))


def local_workers(plan: Plan, workers: int | None) -> AbstractContextManager[Client]:
    """Start workers for a plan on this machine: as many as asked for, but not more than jobs.

    Args:
        plan: the plan.
        workers: how many; by default one a core, or one a GPU.

    Raises:
        BatchError: there are fewer than one, or the package `distributed` is not installed.
    """
    if workers is not None and workers < 1:
        raise BatchError(f"workers {workers}", "at least one is needed", "Such as 2")
    return local_client(workers, most=len(plan.todo), gpus=plan.gpus)


def execute(plan: Plan, client: Client) -> Iterator[Row]:
    """Run the jobs of a plan on the workers of a client, and yield a row as each ends.

    Args:
        plan: the plan.
        client: a client of `distributed`.

    Raises:
        BatchError: another process maps into the folder.
        WriteError: the manifest cannot be written.
    """
    manifest = Manifest(plan.manifest)
    try:
        manifest.append(row for _, row in plan.todo)
        manifest.flush()
        rows: dict[Any, Row] = {
            client.submit(work, call, pure=False, retries=0): row for call, row in plan.todo
        }
        for future, answer in _answers(client, list(rows)):
            row = _ended(rows.pop(future), future.status, answer)
            future.release()
            manifest.append([row])
            yield row
        for row in rows.values():
            manifest.append([lost := replace(row, status="died", error=_LOST)])
            yield lost
        manifest.flush()
    finally:
        manifest.close()


def _run(plan: Plan, workers: int | None, client: Client | None) -> Iterator[Row]:
    yield from plan.skipped
    if not plan.todo:
        return
    with nullcontext(client) if client else local_workers(plan, workers) as used:
        yield from execute(plan, used)


def _answers(client: Client, futures: list[Any]) -> Iterator[tuple[Any, object]]:
    """Yield each future and its result as it ends, and stop if the scheduler is lost.

    Each result is fetched at once: a worker that dies holds none.
    """
    # Its own loop may wait for ever for the future that it fetched when the connection broke.
    ended = engine().as_completed(futures, loop=client.loop, with_results=True, raise_errors=False)
    while ended.count():
        if ended.has_ready():
            yield next(ended)
        elif client.status == "closed":
            return
        else:
            time.sleep(_POLL)


def _ended(row: Row, status: str, answer: object) -> Row:
    if isinstance(answer, Answer):
        return replace(row, status="failed" if answer.error else "done", **answer._asdict())
    if status in {"cancelled", "lost"}:
        return replace(row, status="died", error=_LOST)
    error = answer[1] if isinstance(answer, tuple) else answer
    if isinstance(error, engine().KilledWorker):
        rule = f"its worker died {DEATHS + 1} times: memory, or a crash of a library"
        return replace(row, status="died", error=rule)
    return replace(row, status="failed", error=f"{type(error).__name__}: {error}")


def _arguments(lifted: Lifted, job: Job, options: Sequence[str]) -> dict[str, object]:
    return lifted.parse(lifted.argv(job, options, replace=job.target.exists()))


def _row(lifted: Lifted, job: Job, manifest: Path, key: str) -> Row:
    name = _name(job.target, manifest)
    source = "" if job.source is None else str(job.source)
    stamp = None if job.source is None else stamp_of(job.source)
    return Row(name, source, stamp, lifted.name, key)


def _same(before: Row, row: Row) -> bool:
    return (before.key, before.stamp) == (row.key, row.stamp)


def _failed(row: Row | None) -> bool:
    return row is not None and row.status in {"failed", "died"}


def _name(target: Path, manifest: Path) -> str:
    return Path(os.path.relpath(target, manifest.parent)).as_posix()


def _above(targets: Sequence[Path]) -> Path:
    folders = [os.path.abspath(target.parent) for target in targets]
    return Path(os.path.commonpath(folders)) if folders else Path()


def _refuse_foreign(targets: Sequence[Path]) -> None:
    if not targets:
        return
    names = ", ".join(map(str, targets[:3])) + (", ..." if len(targets) > 3 else "")
    rule = f"{len(targets)} targets exist, from another command or with other options ({names})"
    raise BatchError("map", rule, "Replace them with --force, or choose another target")
