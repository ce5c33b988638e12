"""Read the tensors of a weights file in the formats in which weights are published."""

from __future__ import annotations

import hashlib
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from scionwood.errors import PluginError, WeightsError
from scionwood.training.weights import load_tensors
from scionwood_sandbox.decoding.calls import call_in_child
from scionwood_sandbox.decoding.switch import service_in_commands
from scionwood_sandbox.files import reading
from scionwood_sandbox.pickles import read_inert
from scionwood_sandbox.weights import read_ctranslate2, read_gguf, read_onnx


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """Read every tensor of a weights file, on the CPU, without running code of the file.

    Formats: safetensors; PyTorch files, those that hold whole modules too (their classes stay
    placeholders, in a restricted process); the initialisers of ONNX, where one without a name of
    its own has that of the node that multiplies by it (package `onnx`); `model.bin` of CTranslate2
    in float32 and float16; GGUF (package `gguf`), dequantised.

    Args:
        path: the file. Its first bytes and its suffix tell the format.

    Returns:
        The tensors by name. Nested mappings give dotted names.

    Raises:
        WeightsError: there is no such file, it is damaged, or of none of these formats.
        PluginError: the package that reads the format is missing.

    Example:
        >>> from safetensors.torch import save_file
        >>> save_file({"bias": torch.zeros(3)}, "tiny.safetensors")
        >>> authoring.read_tensors("tiny.safetensors")["bias"].shape
        torch.Size([3])
    """
    path = Path(path)
    try:
        with reading(path, "weights"), path.open("rb") as file:
            return _read(path, file.read(16))
    except (WeightsError, PluginError, ImportError):
        raise
    except Exception as error:
        rule = getattr(error, "rule", str(error))
        remedy = getattr(error, "remedy", "") or "Give a file in safetensors"
        raise WeightsError(str(path), rule, remedy) from error


def layout_of(tensors: Mapping[str, Tensor]) -> str:
    """Return the number of tensors, and a digest of their names and shapes.

    Args:
        tensors: by name.

    Example:
        >>> authoring.layout_of({"bias": torch.zeros(3)})
        '1:9821de6c2f728cb7'
    """
    lines = sorted(f"{name} {tuple(value.shape)}" for name, value in tensors.items())
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return f"{len(lines)}:{digest[:16]}"


def _read(path: Path, start: bytes) -> dict[str, Tensor]:
    if start[:2] == b"PK" or start[:1] == b"\x80":
        return _torch(path)
    if start[8:9] == b"{" and start[:4] != b"GGUF" and path.suffix != ".onnx":
        return dict(load_file(path))
    is_gguf, is_onnx = start[:4] == b"GGUF", path.suffix == ".onnx"
    read = read_gguf if is_gguf else read_onnx if is_onnx else read_ctranslate2
    try:
        return {name: torch.from_numpy(values) for name, values in read(path).items()}
    except ImportError as error:
        name, minimum = ("gguf", "0.10") if is_gguf else ("onnx", "1.18")
        rule = f"reading this format needs the package {name}"
        raise PluginError(name, rule, f"pip install '{name}>={minimum}'") from error


def _torch(path: Path) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of TorchScript and of protocols, which errors say too
            return dict(_flat("", load_tensors(path)))
    except pickle.UnpicklingError:  # it names other classes than torch allows
        with service_in_commands():
            stored = call_in_child(read_inert, path)
        return {name: torch.from_numpy(values.copy()) for name, values in stored.items()}


def _flat(name: str, content: Any) -> list[tuple[str, Tensor]]:
    if isinstance(content, Tensor):
        return [(name, content)]
    if not isinstance(content, Mapping):
        return []
    start = f"{name}." if name else ""
    return [pair for key, value in content.items() for pair in _flat(f"{start}{key}", value)]
