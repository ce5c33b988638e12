"""Read JSON and safetensors files that a stranger may have made.

Every read is bounded. A file must be a regular file and no link, and its content is checked before
it is used.
"""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from scionwood.errors import AdapterFileError, ReadError
from scionwood_sandbox.regular import open_regular

JSON_BYTES = 4 << 20
"""The largest accepted JSON file."""
HEADER_BYTES = 4 << 20
"""The largest accepted header of a safetensors file; it has room for some 30,000 tensors."""
DEPTH = 16
"""The deepest accepted nesting of JSON."""
LARGEST = 1e6
"""The largest accepted magnitude of a weight; trained adapters stay far below."""

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
    """The dtype and shape of a tensor, from the header of a safetensors file or from a model.

    Attributes:
        dtype: The kind of its numbers.
        shape: Its sizes.
        begin: Where its values begin in the data of the file, in bytes.
    """

    dtype: torch.dtype
    shape: tuple[int, ...]
    begin: int = field(default=0, compare=False)

    @property
    def bytes(self) -> int:
        """The size of the values in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object of bounded size and depth, with unique keys and finite numbers.

    Args:
        path: The file, which a stranger may have made.

    Raises:
        AdapterFileError: The file is missing, is not a regular file, is too large, or breaks one of
            these rules.

    Example:
        >>> from pathlib import Path
        >>> from scionwood.adapters import read_json
        >>> size = Path("site.json").write_text('{"site": "north"}')
        >>> read_json(Path("site.json"))
        {'site': 'north'}
    """
    with _opened(path) as file:
        data = file.read(JSON_BYTES + 1)
    if len(data) > JSON_BYTES:
        raise AdapterFileError(str(path), f"is larger than {JSON_BYTES >> 20} MiB")
    return parse_json(data, str(path))


def parse_json(data: bytes, where: str) -> dict[str, Any]:
    """Parse bytes under the rules of `read_json`."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        record = dict(pairs)
        if len(record) != len(pairs):
            raise ValueError("a key occurs twice")
        return record

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is not a JSON number")

    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=unique, parse_constant=refuse)
        if _depth(value) > DEPTH:
            raise ValueError(f"nested deeper than {DEPTH}")
    except (ValueError, RecursionError) as error:
        raise AdapterFileError(where, f"is not acceptable JSON ({error})") from error
    if not isinstance(value, dict):
        raise AdapterFileError(where, "is not a JSON object")
    return value


def read_header(path: Path) -> dict[str, Spec]:
    """Read names, dtypes and shapes of a safetensors file from its header alone.

    The header must describe the file: no tensors overlap or leave gaps, and the length is right.
    """
    with _opened(path) as file:
        return _header(file, path)


def _opened(path: Path) -> io.BufferedReader:
    try:
        return open_regular(path)
    except ReadError as error:
        raise AdapterFileError(error.value, error.rule, error.remedy) from error


def _header(file: io.BufferedReader, path: Path) -> dict[str, Spec]:
    size = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(HEADER_BYTES, size - 8):
        raise AdapterFileError(str(path), f"claims a header of {length} bytes in {size}")
    record = parse_json(file.read(length), f"{path} (header)")
    record.pop("__metadata__", None)
    specs, ranges = {}, []
    for name, entry in record.items():
        spec = specs[name] = _entry(path, name, entry)
        ranges.append((spec.begin, spec.begin + spec.bytes))
    expected = 0
    for begin, end in sorted(ranges):
        if begin != expected:
            raise AdapterFileError(str(path), "its tensors overlap or leave gaps")
        expected = end
    if expected != size - 8 - length:
        raise AdapterFileError(str(path), f"has {size - 8 - length} bytes of data, not {expected}")
    return specs


def specs_of(tensors: Mapping[str, torch.Tensor]) -> dict[str, Spec]:
    """Return dtype and shape of each tensor."""
    return {name: Spec(value.dtype, tuple(value.shape)) for name, value in tensors.items()}


def spec_faults(
    path: Path, specs: Mapping[str, Spec], expected_specs: Mapping[str, Spec]
) -> Iterator[AdapterFileError]:
    """Yield what differs from the wanted names, shapes and kinds of number."""
    if foreign := sorted(set(specs) - set(expected_specs)):
        yield AdapterFileError(str(path), f"has foreign tensors: {_abbreviate(foreign)}")
    if missing := sorted(set(expected_specs) - set(specs)):
        yield AdapterFileError(str(path), f"lacks tensors: {_abbreviate(missing)}")
    for name in (name for name in expected_specs if name in specs):
        have, want = specs[name], expected_specs[name]
        if have.shape != want.shape:
            yield AdapterFileError(
                f"{path}: {name}", f"has shape {have.shape}, the model needs {want.shape}"
            )
        if have.dtype.is_floating_point != want.dtype.is_floating_point:
            yield AdapterFileError(f"{path}: {name}", f"is {have.dtype}, not {want.dtype}")


def raw_tensors(path: Path, specs: Mapping[str, Spec]) -> dict[str, torch.Tensor]:
    """Read the tensors of a file whose header was checked, and leave their values unchecked."""
    with _opened(path) as file:
        if _header(file, path) != dict(specs):  # a file that was swapped in since
            raise AdapterFileError(str(path), "changed while it was read")
        start = file.tell()
        return {name: _values(file, start, spec, path) for name, spec in specs.items()}


def value_faults(path: Path, tensors: Mapping[str, torch.Tensor]) -> Iterator[AdapterFileError]:
    """Yield an error for each tensor with a value that is not finite or larger than `LARGEST`."""
    for name, value in tensors.items():
        if value.numel() == 0 or not value.is_floating_point():
            continue
        if not bool(torch.isfinite(value).all()):
            yield AdapterFileError(f"{path}: {name}", "has values that are not finite")
        elif float(value.abs().max()) > LARGEST:
            yield AdapterFileError(f"{path}: {name}", f"has values beyond {LARGEST:g}")


def read_untrusted(path: Path) -> dict[str, torch.Tensor]:
    """Read a safetensors file that a stranger may have made.

    The header is checked against the file before anything is allocated.

    Args:
        path: The file.

    Raises:
        AdapterFileError: It is missing, damaged, no regular file, or has values that are not finite
            or larger than a million.

    Example:
        >>> from safetensors.torch import save_file
        >>> from pathlib import Path
        >>> save_file({"weight": torch.ones(2)}, "head.safetensors")
        >>> from scionwood.adapters import read_untrusted
        >>> read_untrusted(Path("head.safetensors"))
        {'weight': tensor([1., 1.])}
    """
    tensors = raw_tensors(path, read_header(path))
    for fault in value_faults(path, tensors):
        raise fault
    return tensors


def _values(file: io.BufferedReader, start: int, spec: Spec, path: Path) -> torch.Tensor:
    # Not through a map of the memory: a file that is cut meanwhile would kill the process.
    value = torch.empty(spec.shape, dtype=spec.dtype)
    file.seek(start + spec.begin)
    memory = value.reshape(-1).view(torch.uint8).numpy().data
    if spec.bytes and file.readinto(memory) != spec.bytes:
        raise AdapterFileError(str(path), "changed while it was read")
    return value


def _entry(path: Path, name: str, entry: Any) -> Spec:
    match entry:
        case {"dtype": str(kind), "shape": list(shape), "data_offsets": [int(begin), int(end)]}:
            sizes = all(isinstance(n, int) and 0 <= n < 1 << 48 for n in shape)
        case _:
            raise AdapterFileError(f"{path}: {name!r}", "its header entry is malformed")
    if kind not in DTYPES or not sizes or len(shape) > 8:
        raise AdapterFileError(f"{path}: {name!r}", f"cannot be {kind} of shape {shape}")
    spec = Spec(DTYPES[kind], tuple(shape), begin)
    if begin < 0 or end - begin != spec.bytes:
        raise AdapterFileError(f"{path}: {name!r}", "its offsets do not fit its shape")
    return spec


def _depth(value: Any) -> int:
    children = value.values() if isinstance(value, dict) else value
    if not isinstance(value, dict | list):
        return 0
    return 1 + max((_depth(child) for child in children), default=0)


def _abbreviate(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(name[:200] for name in names[:3]) + more
