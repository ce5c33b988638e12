"""Read the tensors of a weights file in the formats in which weights are published."""

from __future__ import annotations

import hashlib
import pickle
import struct
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scionwood.errors import PluginError, WeightsError
from scionwood.training.weights import load_tensors
from scionwood_sandbox.decoding.calls import call_in_child
from scionwood_sandbox.decoding.switch import service_in_commands
from scionwood_sandbox.files import reading
from scionwood_sandbox.pickles import read_inert


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
            start = file.read(16)
            tensors: dict[str, Tensor] = _reader(path, start)(path)
            return tensors
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


def _reader(path: Path, start: bytes) -> Any:
    if start[:4] == b"GGUF":
        return _gguf
    if start[:2] == b"PK" or start[:1] == b"\x80":
        return _torch
    if path.suffix == ".onnx":
        return _onnx
    if start[8:9] == b"{":
        return _safetensors
    return _ctranslate2


def _safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return dict(load_file(path))


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


def _onnx(path: Path) -> dict[str, Tensor]:
    onnx: Any = _package("onnx", "onnx>=1.18")
    graph = onnx.load(str(path), load_external_data=False).graph
    stored = {item.name: item for item in graph.initializer}
    names = {name: name for name in stored}
    for node in graph.node:  # exporters name a transposed matrix `onnx::MatMul_1234`
        for name in node.input:
            if name.startswith("onnx::") and name in stored:
                names[name] = node.name
    numbers = {names[name]: onnx.numpy_helper.to_array(item) for name, item in stored.items()}
    return {name: torch.from_numpy(np.array(values)) for name, values in numbers.items()}


def _gguf(path: Path) -> dict[str, Tensor]:
    gguf: Any = _package("gguf", "gguf>=0.10")
    return {
        item.name: torch.from_numpy(np.array(gguf.quants.dequantize(item.data, item.tensor_type)))
        for item in gguf.GGUFReader(path).tensors
    }


def _package(name: str, requirement: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        rule = f"reading this format needs the package {name}"
        raise PluginError(name, rule, f"pip install '{requirement}'") from error


def _ctranslate2(path: Path) -> dict[str, Tensor]:
    """Read `model.bin`, little endian.

    It holds a version, the name of the specification, a revision and the number of tensors; of each
    tensor the name, rank, shape, type (0 is float32, 4 float16), size in bytes, and values.
    """
    content = np.memmap(path, np.uint8, "r").data
    place = 0

    def number(layout: str) -> int:
        nonlocal place
        (value,) = struct.unpack_from("<" + layout, content, place)
        place += struct.calcsize("<" + layout)
        return int(value)

    def text() -> str:
        nonlocal place
        size = number("H")
        place += size
        return bytes(content[place - size : place - 1]).decode()

    number("I"), text(), number("I")
    tensors: dict[str, Tensor] = {}
    for _ in range(number("I")):
        name, shape = text(), tuple(number("I") for _ in range(number("B")))
        kind, size = {0: "<f4", 4: "<f2"}.get(number("B")), number("I")
        if kind and shape:  # the others are settings of CTranslate2
            values = np.frombuffer(content[place : place + size], kind).reshape(shape)
            tensors[name] = torch.from_numpy(values.copy())
        place += size
    if place != len(content) and not tensors:
        raise WeightsError(str(path), "no known format of weights", "Give a file in safetensors")
    return tensors
