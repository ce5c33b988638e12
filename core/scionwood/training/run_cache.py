"""Runs that a process keeps loaded from one file to the next; `scionwood map` uses it.

Loading takes most of the time of a small file. A command that changes the weights of a kept run,
and does not restore them, changes nothing for the next command: the run is loaded again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from scionwood.runs.digest import weights_digest
from scionwood.runs.layout import RECIPE
from scionwood.training.loaded_run import use_loaded_task

if TYPE_CHECKING:
    import torch

    from scionwood.training.task import Task

CAPACITY = 2
"""Runs that are kept at once; the one that was unused for longest makes room."""

Key = tuple[str, str, str, str]


class _CachedRun(NamedTuple):
    task: Task
    state: str  # a hash of its tensors and of the modes of its modules


_cache: dict[Key, _CachedRun] = {}
_block: list[tuple[Key, _CachedRun]] | None = None


@contextmanager
def keep_runs() -> Iterator[None]:
    """Let `load_run` in this block return runs that an earlier block has loaded.

    A run is kept only if the block succeeds and leaves each bit of it as it was. Blocks neither
    nest nor overlap.
    """
    global _block
    _block = []
    try:
        yield
        for key, run in _block:
            if _state(run.task) == run.state:
                _cache[key] = run
        while len(_cache) > CAPACITY:
            del _cache[next(iter(_cache))]
    finally:
        _block = None


def load_cached(
    load: Callable[[Path, str | torch.device], Task], folder: Path, device: str | torch.device
) -> Task:
    """Return a run that a program holds or that is in the cache, or load it.

    Within one block of `keep_runs` each call returns another object. Outside it always loads.

    Args:
        load: loads a run folder to a device.
        folder: the run folder.
        device: the device of the result.
    """
    if (task := use_loaded_task(folder, device)) is not None:
        return task
    if _block is None:
        return load(folder, device)
    recipe = hashlib.sha256((folder / RECIPE).read_bytes()).hexdigest()
    key = (str(folder.resolve()), recipe, weights_digest(folder), str(device))
    run = _cache.pop(key, None)
    if run is None:
        task = load(folder, device)
        run = _CachedRun(task, _state(task))
    _block.append((key, run))
    return run.task


def _state(task: Task) -> str:
    """Hash the tensors of a task, and the modes of its modules."""
    total = hashlib.sha256()
    for name, module in task.named_modules():
        total.update(f"{name} {type(module).__qualname__} {module.training}\n".encode())
        tensors: dict[str, Any] = {**module._parameters, **module._buffers}
        for part, tensor in tensors.items():
            if tensor is not None:
                total.update(f"{part} {tensor.dtype} {tuple(tensor.shape)}".encode())
                total.update(f" {tensor.requires_grad} {tensor.grad is None}\n".encode())
                total.update(_bytes(tensor))
    return total.hexdigest()


def _bytes(tensor: torch.Tensor) -> memoryview:
    import torch

    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().data
