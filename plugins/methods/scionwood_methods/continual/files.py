"""The files of a continual-learning method: JSON that names a safetensors file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from scionwood import AdapterFileError
from scionwood.authoring import atomic_path, writing

RECORD = "continual.json"
FORMAT = 1


def write_state(
    folder: str | Path, method: str, tasks: Sequence[str], tensors: Mapping[str, Tensor]
) -> None:
    """Write the memory of a method. The JSON is written last, so that its tensors always exist.

    Args:
        folder: the target; it is created if it does not exist.
        method: the name of the method.
        tasks: the names of the learned tasks.
        tensors: the memory.

    Raises:
        WriteError: the folder cannot be written; a previous state is left as it was.
    """
    folder, name = Path(folder), _tensors(len(tasks))
    copies = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}
    record = {"format": FORMAT, "method": method, "tasks": list(tasks)}
    with writing(folder):
        with atomic_path(folder / name) as part:
            save_file(copies, part, metadata={"format": "pt"})
        with atomic_path(folder / RECORD) as part:
            part.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        for old in folder.glob("continual-*.safetensors"):
            if old.name != name:
                old.unlink()


def read_state(folder: str | Path, method: str) -> tuple[list[str], dict[str, Tensor]]:
    """Read what `write_state` wrote.

    Returns:
        The names of the tasks, and the memory on the CPU.

    Raises:
        AdapterFileError: a file is missing or damaged, or belongs to another method.
    """
    folder = Path(folder)
    path = folder / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        tasks = [str(task) for task in record["tasks"]]
        header = (record["format"], record["method"])
        tensors = load_file(folder / _tensors(len(tasks)))
    except (OSError, ValueError, KeyError, TypeError, RecursionError, SafetensorError) as error:
        rule = f"it holds no complete state ({type(error).__name__}: {error})"
        raise AdapterFileError(str(path), rule, "Save it again with controller.save()") from error
    if header != (FORMAT, method):
        rule = f"its format and method are {header}, not {(FORMAT, method)}"
        raise AdapterFileError(str(path), rule, "Load it with the method that wrote it")
    return tasks, tensors


def _tensors(tasks: int) -> str:
    """Return a file name for each state, so that an interrupted save leaves the previous one."""
    return f"continual-{tasks}.safetensors"
