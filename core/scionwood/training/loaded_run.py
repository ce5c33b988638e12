"""Runs that a program keeps in memory, such as a server, and applies to one file after another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from scionwood.training.task import Task

_loaded_run: ContextVar[LoadedRun | None] = ContextVar("loaded_run", default=None)


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
        >>> with loaded.lent():
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
    def lent(self) -> Iterator[None]:
        """Let `load_run` of this folder return this task, inside the block and in this thread."""
        token = _loaded_run.set(self)
        try:
            yield
        finally:
            _loaded_run.reset(token)


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


def use_loaded_task(folder: Path, device: str | torch.device) -> Task | None:
    """Return the task of a run folder if this thread is inside `lent`, and on this device.

    Args:
        folder: the run folder.
        device: the device on which the task is wanted.
    """
    loaded = _loaded_run.get()
    if loaded is None or loaded.folder.resolve() != folder.resolve():
        return None
    return loaded.task if loaded.device == str(device) else None
