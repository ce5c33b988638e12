"""What a continual-learning method remembers, on disk: JSON that names a safetensors file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from scionwood import AdapterFileError, atomic_path

RECORD = "continual.json"
FORMAT = 1


def write_state(
    folder: Path, method: str, tasks: Sequence[str], tensors: Mapping[str, Tensor]
) -> None:
    """Write the memory; the JSON comes last, so that it never names tensors that are not there.

    Args:
        folder: is made where it is missing.
        method: the method's name.
        tasks: names of the tasks that were learnt.
        tensors: the memory.

    Raises:
        OSError: the disk is full or not writable; the old state stays.
    """
    name = _tensors(len(tasks))
    whole = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}
    with atomic_path(folder / name) as part:
        save_file(whole, part, metadata={"format": "pt"})
    record = {"format": FORMAT, "method": method, "tasks": list(tasks)}
    with atomic_path(folder / RECORD) as part:
        part.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    for old in folder.glob("continual-*.safetensors"):
        if old.name != name:
            old.unlink()


def read_state(folder: Path, method: str) -> tuple[list[str], dict[str, Tensor]]:
    """Read what `write_state` wrote.

    Returns:
        The names of the tasks, and the memory on the CPU.

    Raises:
        AdapterFileError: a file is missing or damaged, or the method is another.
    """
    path = folder / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        tasks = [str(task) for task in record["tasks"]]
        found = (record["format"], record["method"])
        tensors = load_file(folder / _tensors(len(tasks)))
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        rule = f"it holds no whole state ({type(error).__name__}: {error})"
        raise AdapterFileError(str(path), rule, "Save it again with controller.save()") from error
    if found != (FORMAT, method):
        rule = f"its format and method are {found}, not {(FORMAT, method)}"
        raise AdapterFileError(str(path), rule, "Load it with the method that wrote it")
    return tasks, tensors


def _tensors(tasks: int) -> str:
    """A name of its own for each state, so that a save that is cut leaves the last one whole."""
    return f"continual-{tasks}.safetensors"
