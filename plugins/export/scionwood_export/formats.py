"""The formats of an exported run: how each is written, and how it is loaded again to verify it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, final

import torch
from torch import Tensor
from torch.export import ExportedProgram

from scionwood.training.deployed import Deployed, ExportError
from scionwood_export.graph import first_line, quiet, stable_sorts

Format = Literal["pt2", "aoti", "onnx", "merged"]
Function = Callable[..., Any]


@final
@dataclass(frozen=True)
class Kind:
    """One format of a graph.

    Attributes:
        suffix: the end of the file's name, by which programs know the format.
        tolerance: the largest difference from the run that is accepted, relative.
        write: writes a traced model to a path.
        load: returns the model in a file as a function of tensors.
        obstacle: returns why the format cannot be written here, or "".
    """

    suffix: str
    tolerance: float
    write: Callable[[ExportedProgram, Deployed, Path], None]
    load: Callable[[Path], Function]
    obstacle: Callable[[], str] = str


def _write_pt2(program: ExportedProgram, deployed: Deployed, path: Path) -> None:
    torch.export.save(program, path)


def _load_pt2(path: Path) -> Function:
    return torch.export.load(path).module()


def _write_aoti(program: ExportedProgram, deployed: Deployed, path: Path) -> None:
    import torch._inductor

    try:
        torch._inductor.aoti_compile_and_package(program, package_path=str(path))
    except Exception as error:  # the compiler's errors have no common class
        rule = f"AOTInductor cannot compile it ({first_line(error)})"
        raise ExportError("format aoti", rule, "Use --format pt2") from error


def _load_aoti(path: Path) -> Function:
    import torch._inductor

    return torch._inductor.aoti_load_package(str(path))


def _no_compiler() -> str:
    if shutil.which("g++") or shutil.which("clang++"):
        return ""
    return "AOTInductor needs a C++ compiler: install g++, or use --format pt2"


def _write_onnx(program: ExportedProgram, deployed: Deployed, path: Path) -> None:
    names: dict[str, Any] = {}
    if deployed.inputs:
        names["input_names"] = [signal.name for signal in deployed.inputs]
    if deployed.outputs:
        names["output_names"] = [signal.name for signal in deployed.outputs]
    try:
        written: Any = torch.onnx.export(stable_sorts(program), dynamo=True, verbose=False, **names)
        written.save(str(path), external_data=False)
    except Exception as error:  # torch.onnx raises nearly anything
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
        rule = f"torch.onnx cannot write it ({first_line(cause)})"
        raise ExportError("format onnx", rule, "Use --format pt2") from error


def _load_onnx(path: Path) -> Function:
    onnxruntime: Any = import_module("onnxruntime")  # it has no types
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]

    def run(*tensors: Tensor) -> tuple[Tensor, ...]:
        feed = {name: x.numpy() for name, x in zip(names, tensors, strict=True)}
        return tuple(torch.from_numpy(array) for array in session.run(None, feed))

    return run


def _no_onnx() -> str:
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if not find_spec(name)]
    remedy = "pip install onnx onnxruntime onnxscript"
    return f"{missing[0]} is not installed: {remedy}" if missing else ""


GRAPHS: dict[str, Kind] = {
    "pt2": Kind(".pt2", 1e-5, _write_pt2, _load_pt2),
    "aoti": Kind(".pt2", 1e-5, _write_aoti, _load_aoti, _no_compiler),
    "onnx": Kind(".onnx", 1e-4, _write_onnx, _load_onnx, _no_onnx),
}
"""The formats that hold a graph. `merged` holds weights alone; see `scionwood_export.run`."""


def write_graph(program: ExportedProgram, deployed: Deployed, name: str, path: Path) -> Function:
    """Write a traced model in a format, and return the function that its file holds.

    Args:
        program: the traced model.
        deployed: the model with its descriptions.
        name: a key of `GRAPHS`.
        path: the file.

    Raises:
        ExportError: the format cannot hold this model.
    """
    with quiet():
        GRAPHS[name].write(program, deployed, path)
        return GRAPHS[name].load(path)
