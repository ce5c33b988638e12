"""Save and load the head: what trains beside the adapter, buffers of norms included."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn as nn
from safetensors.torch import save_file

from scionwood.adapters.head import head_state
from scionwood.adapters.modules import whole, writes
from scionwood.adapters.untrusted import (
    Spec,
    check_specs,
    read_header,
    read_tensors,
    regular_file,
)
from scionwood.errors import AdapterError
from scionwood.files import atomic_path


def save_head(model: nn.Module, path: Path) -> None:
    """Write the head's parameters and buffers as safetensors; every rank calls it, one writes.

    Raises:
        AdapterError: the model has no head.
    """
    state = {name: whole(value) for name, value in _state(model).items()}
    if not writes():
        return
    with atomic_path(Path(path)) as part:
        save_file(state, part, metadata={"format": "pt"})


def load_head(model: nn.Module, path: Path) -> None:
    """Load a head into a model of the same head; all is checked before a value changes.

    Raises:
        AdapterError: the model has no head.
        AdapterFileError: the file holds other tensors, other shapes, or values that are not finite.
    """
    path = Path(path)
    state = _state(model)
    path = regular_file(path.parent, path.name)
    found = read_header(path)
    check_specs(path, found, {k: Spec(v.dtype, tuple(v.shape)) for k, v in state.items()})
    tensors = read_tensors(path, found)
    with torch.no_grad():
        for name, value in state.items():
            value.copy_(tensors[name])


def _state(model: nn.Module) -> dict[str, torch.Tensor]:
    state = head_state(model)
    if not state:
        raise AdapterError(
            f"head of {type(model).__name__}", "the backbone declares none", "Set backbone.head"
        )
    return state
