"""Read the numbers of weights files: initialisers of ONNX, GGUF, and `model.bin` of CTranslate2."""

from __future__ import annotations

import struct
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from scionwood_sandbox.errors import ReadError


def read_onnx(path: Path) -> dict[str, np.ndarray]:
    """Return the initialisers of an ONNX graph by name; it needs the package `onnx`.

    Exporters name a transposed matrix `onnx::MatMul_1234`: it gets the name of the node that
    multiplies by it. Data outside the file is not read.
    """
    onnx: Any = import_module("onnx")
    graph = onnx.load(str(path), load_external_data=False).graph
    names = {item.name: item.name for item in graph.initializer}
    for node in graph.node:
        names |= {name: node.name for name in node.input if name[:6] == "onnx::" and name in names}
    return {names[it.name]: np.array(onnx.numpy_helper.to_array(it)) for it in graph.initializer}


def read_gguf(path: Path) -> dict[str, np.ndarray]:
    """Return the tensors of a GGUF file, dequantised; it needs the package `gguf`."""
    gguf: Any = import_module("gguf")
    return {
        item.name: np.array(gguf.quants.dequantize(item.data, item.tensor_type))
        for item in gguf.GGUFReader(path).tensors
    }


def read_ctranslate2(path: Path) -> dict[str, np.ndarray]:
    """Return the tensors in float32 and float16 of `model.bin`, which is little endian.

    It holds a version, the name of the specification, a revision and the number of tensors; of each
    tensor the name, rank, shape, type (0 is float32, 4 float16), size in bytes, and values.

    Raises:
        ReadError: it is no such file.
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
    tensors: dict[str, np.ndarray] = {}
    for _ in range(number("I")):
        name, shape = text(), tuple(number("I") for _ in range(number("B")))
        kind, size = {0: "<f4", 4: "<f2"}.get(number("B")), number("I")
        if kind and shape:  # the others are settings of CTranslate2
            tensors[name] = np.frombuffer(content[place : place + size], kind).reshape(shape).copy()
        place += size
    if place != len(content) and not tensors:
        raise ReadError(str(path), "no known format of weights", "Give a file in safetensors")
    return tensors
