"""The command `scionwood map`: one command over many files."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from scionwood.files.terminal import print_table
from scionwood.recipes.arguments import CommandName, RestWords
from scionwood_batch.cluster import remote_client
from scionwood_batch.errors import BatchError
from scionwood_batch.jobs import Job, fixed_folder, jobs_for, jobs_over, parse_over
from scionwood_batch.manifest import MANIFEST, Row
from scionwood_batch.progress import Progress
from scionwood_batch.running import Plan, execute, local_workers, plan

_NONE: list[str] = []


def map_files(
    command: CommandName,
    sources: list[str] = _NONE,
    *,
    target: str,
    options: RestWords,
    over: str | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    retry_failed: bool = False,
    force: bool = False,
) -> None:
    """Run a plugin's command over many files, and record what became of each in manifest.jsonl.

    The words after `--` are the options of the command. An error of one file, or the death of a
    worker, stops no other file. The same line again runs what is not done.

    Args:
        command: PLUGIN/COMMAND, whose positional arguments are a source and a target, or a target.
        sources: files, quoted patterns such as 'in/*.sgy', and folders.
        target: the pattern of the results, such as 'out/{stem}.sgy'; {name}, {suffix} and {parent}
            are known too.
        options: the words after `--`.
        over: for commands that read nothing, an option and its range, such as seed=0:1000; the
            target has it as a field, such as 'out/{seed:04}.zarr'.
        workers: processes on this machine; by default one a core, or one a GPU.
        scheduler: the address of a Dask scheduler whose workers are used instead, or its file.
        retry_failed: run only the files that failed.
        force: run every file, and replace results that exist.

    Raises:
        BatchError: the files do not fit the command, or targets exist that no map has made.
        ReadError: a source does not exist.
        SystemExit: with 1 if a file failed.
    """
    if workers is not None and scheduler is not None:
        raise BatchError("--workers", "a scheduler has its own workers", "Give one of the two")
    task_plan = plan(
        command,
        _jobs(sources, target, over),
        options,
        manifest=fixed_folder(target) / MANIFEST,
        retry_failed=retry_failed,
        force=force,
    )
    print(f"{len(task_plan.skipped)} done before, {len(task_plan.todo)} to do", file=sys.stderr)
    if not task_plan.todo:
        return
    failed = _run(task_plan, workers, scheduler)
    if failed:
        raise SystemExit(1)


def _jobs(sources: list[str], target: str, over: str | None) -> list[Job]:
    if over is None:
        if not sources:
            raise BatchError("map", "it needs sources, or --over", "Such as 'in/*.sgy'")
        return jobs_for(sources, target)
    if sources:
        raise BatchError("--over", "is for commands without sources", "Give one of the two")
    return jobs_over(*parse_over(over), target)


def _run(task_plan: Plan, workers: int | None, scheduler: str | None) -> list[Row]:
    """Run a plan with its progress, print the summary, and return the rows that failed."""
    failed = []
    clients = remote_client(scheduler) if scheduler else local_workers(task_plan, workers)
    with _terminable(), clients as client, Progress(len(task_plan.todo)) as progress:
        for row in execute(task_plan, client):
            progress.add(row)
            if not row.good:
                failed.append(row)
    if failed:
        cells = [(row.source or row.target, row.status, row.error) for row in failed]
        print_table(("file", "status", "why"), cells)
    print(f"{progress.counts['done']} done, {len(failed)} failed; {task_plan.manifest}")
    return failed


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM, which queue systems send, end the workers as Ctrl-C does."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
