"""Read the tensors of a pickled PyTorch checkpoint while nothing of the file runs.

A checkpoint that holds whole modules names classes of its package. Here each of them, and each
function, becomes an inert placeholder. Only plain containers and the rebuilding of a tensor are
known, the latter written anew with bounds. This module imports neither torch nor the package, and
it runs in the restricted child that decodes files of strangers.
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, final

import numpy as np

from scionwood_sandbox.archives.zips import check_zip
from scionwood_sandbox.errors import ReadError

LARGEST = 4 << 30
"""The largest file in bytes; what a decoding child returns is bounded by the same."""
PICKLE = 64 << 20
"""The largest pickle in the file; those of networks with thousands of layers take some MB."""
OBJECTS, DEPTH = 200_000, 64
"""The most containers and placeholders that are searched for tensors, and their deepest nesting."""

DTYPES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "BFloat16Storage": "<u2",  # numpy has no bfloat16
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
SAME = {
    ("torch._utils", "_rebuild_parameter"),
    ("torch", "Size"),
    ("builtins", "set"),
    ("__builtin__", "set"),
}
"""Functions that give their first argument here: a parameter its tensor, a set its items."""


class _Sealed:
    """What this reader makes: a pickle may pass it on, but neither change nor call it."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("it changes what this reader made")


@final
class _Function(_Sealed):
    __slots__ = ()

    def __call__(self, *arguments: Any) -> Any:
        return self.value(*arguments)


@final
class _Placeholder:
    """Any object of a foreign class: it accepts whatever unpickling does, and does nothing."""

    __slots__ = ("parts",)
    parts: dict[Any, Any]

    def __new__(cls, *_: object, **__: object) -> _Placeholder:
        made = object.__new__(cls)
        made.parts = {}
        return made

    def __call__(self, *_: object, **__: object) -> _Placeholder:
        return _Placeholder()

    def __setstate__(self, state: object) -> None:
        for part in state if isinstance(state, tuple) else (state,):
            self.parts |= part if isinstance(part, dict) else {}

    def __setitem__(self, key: object, value: object) -> None:
        self.parts[key] = value

    def append(self, value: object) -> None:
        self.parts[len(self.parts)] = value

    def extend(self, values: list[object]) -> None:
        self.parts |= enumerate(values, len(self.parts))


@final
class _Ordered(dict[Any, Any]):
    """An OrderedDict, whose state (torch puts versions of modules there) is dropped."""

    def __setstate__(self, state: object) -> None:
        pass


@final
class _Reader(pickle.Unpickler):
    """An unpickler that knows the names above and nothing else."""

    def __init__(self, archive: zipfile.ZipFile, root: str, budget: int) -> None:
        super().__init__(io.BytesIO(archive.read(f"{root}data.pkl")))
        self.archive, self.root, self.budget = archive, root, budget
        self.storages: dict[str, np.ndarray] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Function(self.tensor)
        if (module, name) in SAME:
            return _Function(lambda first=(), *_: first)
        if (module, name) == ("collections", "OrderedDict"):
            return _Ordered
        return _Sealed(DTYPES[name]) if module == "torch" and name in DTYPES else _Placeholder

    def persistent_load(self, reference: Any) -> _Sealed:
        match reference:
            case ("storage", _Sealed(value=str(kind)), str(key), str(), int(count)):
                pass
            case _:
                raise pickle.UnpicklingError("a reference to a storage of an unknown form")
        if key not in self.storages and key.isalnum():
            stored = self.archive.read(f"{self.root}data/{key}")
            self.storages[key] = np.frombuffer(stored, kind, len(stored) // np.dtype(kind).itemsize)
        values = self.storages[key]
        if values.dtype != np.dtype(kind) or not 0 <= count <= len(values):
            raise pickle.UnpicklingError(f"storage {key} has {len(values)} numbers, not {count}")
        return _Sealed(values[:count])

    def tensor(self, storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Sealed:
        values = storage.value if isinstance(storage, _Sealed) else None
        if not isinstance(values, np.ndarray) or not type(shape) is type(strides) is tuple:
            raise pickle.UnpicklingError("a tensor of an unknown form")
        if any(type(n) is not int or n < 0 for n in (offset, *shape, *strides)):
            raise pickle.UnpicklingError(f"a tensor of sizes {shape} at {offset}, {strides}")
        if len(shape) != len(strides) or len(shape) > 16:
            raise pickle.UnpicklingError(f"a shape {shape} with strides {strides}")
        count = math.prod(shape)
        last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        # A stride of 0 would repeat numbers, so that few bytes could ask for any amount of memory.
        if count > len(values) or (count and last >= len(values)):
            raise pickle.UnpicklingError(f"a tensor {shape} leaves its {len(values)} numbers")
        self.budget -= count * values.itemsize
        if self.budget < 0:
            raise pickle.UnpicklingError("tensors of more than twice the size of the file")
        if not count:
            return _Sealed(np.zeros(shape, values.dtype))
        steps = [values.itemsize * step for step in strides]
        return _Sealed(np.lib.stride_tricks.as_strided(values[offset:], shape, steps))


def read_inert(path: Path) -> dict[str, np.ndarray]:
    """Return the tensors of a pickled checkpoint by their dotted names; bfloat16 as float32.

    Modules give parameters and buffers as in their `state_dict`; mappings give their keys, lists
    their places, other objects their attributes.

    Raises:
        ReadError: it is larger than 4 GiB, or not such a file, or breaks a bound.
    """
    size = path.stat().st_size
    if size > LARGEST:
        raise ReadError(
            str(path), f"it has more than {LARGEST:,} bytes", "Save safetensors instead"
        )
    check_zip(path, "PyTorch")
    with zipfile.ZipFile(path) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
        (root, *others) = [n.removesuffix("data.pkl") for n in sizes if n.endswith("/data.pkl")]
        order = archive.read(f"{root}byteorder") if f"{root}byteorder" in sizes else b"little"
        if others or sizes[f"{root}data.pkl"] > PICKLE or order != b"little":
            rule = f"it needs one data.pkl of at most {PICKLE:,} bytes, and little-endian numbers"
            raise ReadError(str(path), rule, "Save it again with torch.save")
        try:
            tensors = dict(_search(_Reader(archive, root, 2 * size).load()))
        except MemoryError:  # the parent of the child says it
            raise
        except Exception as error:  # a hostile pickle makes the interpreter raise anything
            rule = f"its pickle breaks a bound, or is damaged ({type(error).__name__}: {error})"
            raise ReadError(str(path), rule[:300], "Do not trust it") from error
    if not tensors:
        rule = "no tensor lies in its containers and modules"
        raise ReadError(str(path), rule, "Save a state_dict instead")
    return {name: _plain(values) for name, values in tensors.items()}


def _plain(values: np.ndarray) -> np.ndarray:
    if values.dtype != np.dtype("<u2"):
        return values
    return (values.astype("<u4") << 16).view("<f4")


def _search(content: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the tensors that lie in containers and placeholders."""
    pending, visited = [("", content, 0)], 0
    while pending:
        name, thing, depth = pending.pop()
        visited += 1
        if visited > OBJECTS or depth > DEPTH:
            raise pickle.UnpicklingError(f"over {OBJECTS:,} objects, or deeper than {DEPTH}")
        if isinstance(thing, _Sealed) and isinstance(thing.value, np.ndarray):
            yield name, thing.value
        for key, part in reversed([*_parts(thing)]):
            pending.append((f"{name}.{key}" if name and key else name or key, part, depth + 1))


def _parts(thing: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(thing, list | tuple):
        yield from ((str(place), part) for place, part in enumerate(thing))
    parts = thing.parts if isinstance(thing, _Placeholder) else thing
    if not isinstance(parts, dict):
        return
    if parts is thing or "_modules" not in parts:
        yield from ((str(k)[:200], v) for k, v in dict.items(parts) if isinstance(k, str | int))
        return
    skipped, buffers = parts.get("_non_persistent_buffers_set"), parts.get("_buffers")
    names = skipped if isinstance(skipped, list) else ()
    yield "", parts.get("_parameters")
    if isinstance(buffers, dict):
        yield "", {name: buffer for name, buffer in buffers.items() if name not in names}
    yield "", parts["_modules"]
