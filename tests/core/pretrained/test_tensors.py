"""Each format of weights gives its tensors by name; what is none of them is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from case_table import table
from safetensors.torch import save_file

from scionwood import WeightsError
from scionwood.authoring import read_tensors

BIAS = torch.arange(3.0)


def test_safetensors_and_files_of_torch(tmp_path: Path) -> None:
    save_file({"layer.bias": BIAS}, tmp_path / "a.safetensors")
    torch.save({"layer": {"bias": BIAS}, "epoch": 3}, tmp_path / "a.bin")
    torch.save({"layer.bias": BIAS}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    for name in ("a.safetensors", "a.bin", "old.pth"):
        (found,) = read_tensors(tmp_path / name).items()
        assert found[0] == "layer.bias"
        assert torch.equal(found[1], BIAS)


def test_matrices_of_onnx_have_the_names_of_their_nodes(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is in the extra export")
    stored = {"layer.bias": BIAS.numpy(), "onnx::MatMul_7": np.ones((2, 3), np.float32)}
    values = [onnx.numpy_helper.from_array(value, name) for name, value in stored.items()]
    node = onnx.helper.make_node("MatMul", ["x", "onnx::MatMul_7"], ["y"], name="/layer/MatMul")
    graph = onnx.helper.make_graph([node], "graph", [], [], values)
    onnx.save(onnx.helper.make_model(graph), tmp_path / "a.onnx")
    assert {k: tuple(v.shape) for k, v in read_tensors(tmp_path / "a.onnx").items()} == {
        "layer.bias": (3,),
        "/layer/MatMul": (2, 3),
    }


def test_gguf_is_dequantised(tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf", reason="gguf is in the extra real-weights")
    values = np.linspace(-1, 1, 64, dtype=np.float32).reshape(2, 32)
    kind = gguf.GGMLQuantizationType.Q8_0
    writer = gguf.GGUFWriter(tmp_path / "a.gguf", "llama")
    writer.add_tensor("w", gguf.quants.quantize(values, kind), raw_dtype=kind)
    for step in ("header", "kv_data", "tensors"):
        getattr(writer, f"write_{step}_to_file")()
    writer.close()
    assert np.abs(read_tensors(tmp_path / "a.gguf")["w"].numpy() - values).max() < 0.01


@table("content", [b"", b"text", b"GGUF", b"PK\x03\x04", b"\x80\x02.", b"\x08" + bytes(7) + b"{"])
def test_what_is_no_weights_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(content)
    with pytest.raises((WeightsError, ImportError, RuntimeError)) as caught:
        read_tensors(tmp_path / "a.bin")
    assert isinstance(caught.value, WeightsError) or "gguf" in str(caught.value)
