"""Runs that a program keeps in memory, such as a server, and applies to one file after another."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scionwood.runs.layout import RECIPE, weights_digest

if TYPE_CHECKING:
    import torch

    from scionwood.training.task import Task

CAPACITY = 2
"""Runs that are kept at once; the one that was unused for longest makes room."""

_current: ContextVar[LoadedRun | None] = ContextVar("current", default=None)
_cache: dict[tuple[str, ...], Task] = {}
_keeps = False


@dataclass(frozen=True)
class LoadedRun:
    """A finished run whose task is in memory.

    Attributes:
        folder: the run folder; nothing may change it.
        task: the task in evaluation mode.

    Example:
        >>> loaded = authoring.LoadedRun(
        ...     scionwood.find_run("seismic/denoise"), scionwood.load_run("seismic/denoise")
        ... )
        >>> with loaded.as_current():
        ...     scionwood.load_run(loaded.folder) is loaded.task
        True
    """

    folder: Path
    task: Task

    @property
    def device(self) -> str:
        """The device of the task, as commands name it."""
        tensor = next(iter(self.task.parameters()), None)
        return "cpu" if tensor is None else str(tensor.device)

    @contextmanager
    def as_current(self) -> Iterator[None]:
        """Let `load_run` of this folder return this task, inside the block and in this thread."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)


@dataclass(frozen=True)
class Served:
    """What a service answers.

    Attributes:
        file: the result, a file or a folder.
        page: a page or picture that shows the input beside the result.
        values: what JSON states: the whole answer if there is no file.

    Example:
        >>> authoring.Served(values={"benign": 0.9}).file is None
        True
    """

    file: Path | None = None
    page: Path | None = None
    values: Mapping[str, Any] = field(default_factory=dict)


@contextmanager
def keep_runs() -> Iterator[None]:
    """Let `load_run` in this block return copies of runs that an earlier block has loaded.

    Loading takes most of the time of a small file; `scionwood map` uses this. What a block does to
    a run reaches no other block. Blocks neither nest nor overlap.
    """
    global _keeps
    _keeps = True
    try:
        yield
    finally:
        _keeps = False


def load_cached(
    load: Callable[[Path, str | torch.device], Task], folder: Path, device: str | torch.device
) -> Task:
    """Return the run that is current in this thread, or a copy out of the cache, or load it."""
    current = _current.get()
    is_current = current is not None and current.folder.resolve() == folder.resolve()
    if current is not None and is_current and current.device == str(device):
        return current.task
    if not _keeps:
        return load(folder, device)
    recipe = hashlib.sha256((folder / RECIPE).read_bytes()).hexdigest()
    key = (str(folder.resolve()), recipe, weights_digest(folder), str(device))
    _cache[key] = _cache.pop(key) if key in _cache else load(folder, device)
    while len(_cache) > CAPACITY:
        del _cache[next(iter(_cache))]
    return deepcopy(_cache[key])
