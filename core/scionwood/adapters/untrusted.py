"""Read files that others made: bounded, regular, inside their folder, and checked before use."""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from scionwood.errors import AdapterFileError

JSON_BYTES = 4 << 20
HEADER_BYTES = 16 << 20
DEPTH = 16
LARGEST = 1e6
"""The largest magnitude of a weight; trained adapters stay orders of magnitude below."""

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


@dataclass(frozen=True)
class Spec:
    """What the header of a safetensors file, or a model, says of one tensor."""

    dtype: torch.dtype
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """The size of the values."""
        return math.prod(self.shape) * self.dtype.itemsize


def regular_file(folder: Path, name: str) -> Path:
    """The path of a regular file that lies inside `folder`, links followed.

    Raises:
        AdapterFileError: it is missing, no regular file, or a link that leaves the folder.
    """
    path = folder / name
    try:
        real, mode = path.resolve(strict=True), os.stat(path).st_mode
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        raise AdapterFileError(str(path), f"cannot be read ({error})") from error
    if not real.is_relative_to(folder.resolve()):
        raise AdapterFileError(
            str(path), f"is a link out of its folder, to {real}", "Copy the file"
        )
    if not stat.S_ISREG(mode):
        raise AdapterFileError(str(path), "is no regular file")
    return path


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of bounded size and depth, no key twice, all numbers finite.

    Raises:
        AdapterFileError: it is none.
    """
    if path.stat().st_size > JSON_BYTES:
        raise AdapterFileError(str(path), f"larger than {JSON_BYTES >> 20} MiB")
    return parse_json(path.read_bytes(), str(path))


def parse_json(data: bytes, where: str) -> dict[str, Any]:
    """`read_json` for bytes that were read already."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a key occurs twice")
        return found

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no JSON number")

    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=unique, parse_constant=refuse)
        if _depth(value) > DEPTH:
            raise ValueError(f"nested deeper than {DEPTH}")
    except (ValueError, RecursionError) as error:
        raise AdapterFileError(where, f"is no acceptable JSON ({error})") from error
    if not isinstance(value, dict):
        raise AdapterFileError(where, "is no JSON object")
    return value


def read_header(path: Path) -> dict[str, Spec]:
    """Names, dtypes and shapes of a safetensors file, from its header alone.

    Raises:
        AdapterFileError: the header is too large, is damaged, or does not describe the file: gaps,
            overlaps, repeated names, a length that is not the file's.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(HEADER_BYTES, size - 8):
            raise AdapterFileError(str(path), f"a header of {length} bytes in a file of {size}")
        record = parse_json(file.read(length), f"{path} (header)")
    record.pop("__metadata__", None)
    found, ranges = {}, []
    for name, entry in record.items():
        found[name], begin, end = _entry(path, name, entry)
        ranges.append((begin, end))
    expected = 0
    for begin, end in sorted(ranges):
        if begin != expected:
            raise AdapterFileError(str(path), "its tensors overlap or leave gaps")
        expected = end
    if expected != size - 8 - length:
        raise AdapterFileError(str(path), f"{size - 8 - length} bytes of data, not {expected}")
    return found


def check_specs(path: Path, found: Mapping[str, Spec], wanted: Mapping[str, Spec]) -> None:
    """Demand exactly the wanted tensors: no other, none missing, each of its kind and shape.

    Raises:
        AdapterFileError: naming the first tensors at fault.
    """
    if foreign := sorted(set(found) - set(wanted)):
        raise AdapterFileError(str(path), f"holds foreign tensors: {_some(foreign)}")
    if missing := sorted(set(wanted) - set(found)):
        raise AdapterFileError(str(path), f"lacks tensors: {_some(missing)}")
    for name, want in wanted.items():
        have = found[name]
        if have.shape != want.shape:
            raise AdapterFileError(
                f"{path}: {name}", f"has shape {have.shape}, the model needs {want.shape}"
            )
        if have.dtype.is_floating_point != want.dtype.is_floating_point:
            raise AdapterFileError(f"{path}: {name}", f"is {have.dtype}, not {want.dtype}")


def read_tensors(path: Path, specs: Mapping[str, Spec]) -> dict[str, torch.Tensor]:
    """The tensors of a file whose header was checked; every value finite and bounded.

    Raises:
        AdapterFileError: a value is not finite or too large, or the file changed meanwhile.
    """
    try:
        tensors: dict[str, torch.Tensor] = load_file(path)
    except SafetensorError as error:
        raise AdapterFileError(str(path), f"is damaged ({error})") from error
    if {k: Spec(v.dtype, tuple(v.shape)) for k, v in tensors.items()} != dict(specs):
        raise AdapterFileError(str(path), "changed while it was read")
    for name, value in tensors.items():
        if value.numel() == 0 or not value.is_floating_point():
            continue
        if not bool(torch.isfinite(value).all()):
            raise AdapterFileError(f"{path}: {name}", "holds values that are not finite")
        if float(value.abs().max()) > LARGEST:
            raise AdapterFileError(f"{path}: {name}", f"holds values beyond {LARGEST:g}")
    return tensors


def _entry(path: Path, name: str, entry: Any) -> tuple[Spec, int, int]:
    match entry:
        case {"dtype": str(kind), "shape": list(shape), "data_offsets": [int(begin), int(end)]}:
            sizes = all(isinstance(n, int) and 0 <= n < 1 << 48 for n in shape)
        case _:
            raise AdapterFileError(f"{path}: {name!r}", "its header entry is malformed")
    if kind not in DTYPES or not sizes or len(shape) > 8:
        raise AdapterFileError(f"{path}: {name!r}", f"cannot be {kind} of shape {shape}")
    spec = Spec(DTYPES[kind], tuple(shape))
    if begin < 0 or end - begin != spec.bytes:
        raise AdapterFileError(f"{path}: {name!r}", "its offsets do not fit its shape")
    return spec, begin, end


def _depth(value: Any) -> int:
    children = value.values() if isinstance(value, dict) else value
    if not isinstance(value, dict | list):
        return 0
    return 1 + max((_depth(child) for child in children), default=0)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(name[:200] for name in names[:3]) + more
