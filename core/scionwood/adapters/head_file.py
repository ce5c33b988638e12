"""Save and load the head: the tensors that train beside the adapter, buffers of norms included."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn as nn
from safetensors.torch import save_file

from scionwood.adapters.content import (
    read_stated,
    record_beside,
    state_hash,
    stated_hash,
    tensors_hash,
)
from scionwood.adapters.head import declared_head, head_names, head_state
from scionwood.adapters.modules import gathered, writes
from scionwood.adapters.untrusted import check_specs, read_header, read_json, specs_of
from scionwood.errors import AdapterError
from scionwood.runs.seal import changing, check_part
from scionwood_sandbox.files import atomic_path, writing


def save_head(model: nn.Module, path: str | Path) -> None:
    """Write the parameters and buffers of the head as safetensors.

    If `adapter/` lies beside a file `head.safetensors`, its `scionwood.json` states the hash.

    In a distributed run every rank calls this function, and rank 0 writes.

    Args:
        model: A backbone that declares a head, with or without adapters.
        path: The file to write; an existing file is replaced.

    Raises:
        AdapterError: The model has no head.
        WriteError: The disk is full or not writable. The previous file stays.

    Example:
        >>> from peft import LoraConfig
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Linear(16, 1))
        >>> tuned = scionwood.attach(model, LoraConfig(r=2), targets="0", head=("1",))
        >>> scionwood.save_head(tuned, "head.safetensors")
        >>> from safetensors.torch import load_file
        >>> sorted(load_file("head.safetensors"))
        ['1.bias', '1.weight']
    """
    state = {name: gathered(value) for name, value in _state(model).items()}
    if not writes():
        return
    path = Path(path)
    record = record_beside(path)
    names = (path.name, *([record.relative_to(path.parent).as_posix()] if record else []))
    with writing(path), changing(path.parent, names):
        if record:  # a folder that states no hash is valid while the head changes
            state_hash(record, "head", "")
        with atomic_path(path) as part:
            save_file(state, part, metadata={"format": "pt"})
        if record:
            state_hash(record, "head", tensors_hash(state))


def load_head(model: nn.Module, path: str | Path) -> None:
    """Load a head into a model that has the same head.

    All tensors of the file are checked before any value of the model changes.

    Args:
        model: A backbone, with or without adapters. If it declares no head, the modules whose
            tensors are in the file become its head.
        path: A file written by `save_head`.

    Raises:
        AdapterError: The model has no head.
        AdapterFileError: The file has other tensors, other shapes, or values that are not finite.
            Or its tensors are not those whose hash the adapter beside it states.

    Example:
        >>> from peft import LoraConfig
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Linear(16, 1))
        >>> tuned = scionwood.attach(model, LoraConfig(r=2), targets="0", head=("1",))
        >>> scionwood.save_head(tuned, "head.safetensors")
        >>> zeros = torch.nn.init.zeros_(model[1].bias)
        >>> scionwood.load_head(tuned, "head.safetensors")
        >>> bool(zeros.any())
        True
    """
    path = Path(path)
    check_part(path.parent)
    specs = read_header(path)
    names = () if head_names(model) else {name.rpartition(".")[0] for name in specs}
    with declared_head(model, sorted(names)):
        state = _state(model)
        check_specs(path, specs, specs_of(state))
        record = record_beside(path)
        tensors = read_stated(path, specs, stated_hash(read_json(record), "head") if record else "")
    with torch.no_grad():
        for name, value in state.items():
            value.copy_(tensors[name])


def _state(model: nn.Module) -> dict[str, torch.Tensor]:
    state = head_state(model)
    if not state:
        raise AdapterError(
            f"head of {type(model).__name__}",
            "the backbone declares none",
            "Set backbone.head, or name the head: attach(..., head=(...))",
        )
    return state
