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
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn, final

import numpy as np

from scionwood_sandbox.archives.zips import check_zip
from scionwood_sandbox.errors import ReadError

LARGEST = 4 << 30
"""The largest file in bytes; what a decoding child returns is bounded by the same."""
PICKLE = 64 << 20
"""The largest pickle in the file; those of networks with thousands of layers take some MB."""
OBJECTS = 200_000
"""The most containers and placeholders that are searched for tensors."""
DEPTH = 64
"""The deepest nesting of modules and containers."""

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


class _Sealed:
    """What a pickle can neither call, change nor subclass, unless a subclass here says so."""

    __slots__ = ()

    def __setstate__(self, state: object) -> NoReturn:
        raise pickle.UnpicklingError("it changes what this reader made")


@final
class _Placeholder(_Sealed):
    """Any object of a foreign class: it accepts whatever unpickling does, and does nothing."""

    __slots__ = ("parts",)

    def __new__(cls, *_: object, **__: object) -> _Placeholder:
        made = object.__new__(cls)
        made.parts = {}
        return made

    def __call__(self, *_: object, **__: object) -> _Placeholder:
        return _Placeholder()

    def __setstate__(self, state: object) -> None:
        for part in state if isinstance(state, tuple) else (state,):
            if isinstance(part, dict):
                self.parts |= part

    def __setitem__(self, key: object, value: object) -> None:
        self.parts[key] = value

    def append(self, value: object) -> None:
        self.parts[len(self.parts)] = value

    def extend(self, values: Iterable[object]) -> None:
        for value in values if isinstance(values, list) else ():
            self.append(value)


@final
class _Ordered(dict[Any, Any]):
    """An OrderedDict, whose state (torch puts versions of modules there) is dropped."""

    def __setstate__(self, state: object) -> None:
        pass


@final
class _Kind(_Sealed):
    """The name of a type of storage."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


@final
class _Tensor(_Sealed):
    """A view of a storage."""

    __slots__ = ("values",)

    def __init__(self, values: np.ndarray) -> None:
        self.values = values


@final
class _Rebuild(_Sealed):
    """One of the known functions of torch."""

    __slots__ = ("name", "reader")

    def __init__(self, name: str, reader: _Reader) -> None:
        self.name, self.reader = name, reader

    def __call__(self, first: Any = None, *rest: Any) -> Any:
        if self.name == "_rebuild_tensor_v2":
            return self.reader.tensor(first, *rest)
        return first  # a parameter is its tensor; a set or a size is its items


KNOWN = {
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch", "Size"),
    ("builtins", "set"),
    ("__builtin__", "set"),
}


@final
class _Reader(pickle.Unpickler):
    """An unpickler that knows the names above and nothing else."""

    def __init__(self, archive: zipfile.ZipFile, root: str, budget: int) -> None:
        super().__init__(io.BytesIO(archive.read(f"{root}/data.pkl")))
        self.archive, self.root, self.budget = archive, root, budget
        self.storages: dict[str, np.ndarray] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in KNOWN:
            return _Rebuild(name, self)
        if (module, name) == ("collections", "OrderedDict"):
            return _Ordered
        if module == "torch" and name in DTYPES:
            return _Kind(name)
        return _Placeholder

    def persistent_load(self, reference: Any) -> np.ndarray:
        match reference:
            case ("storage", _Kind(), str(key), str(), int(count)) if key.isalnum():
                pass
            case _:
                raise pickle.UnpicklingError("a reference to a storage of an unknown form")
        kind = DTYPES[reference[1].name]
        if (values := self.storages.get(key)) is None:
            stored = self.archive.read(f"{self.root}/data/{key}")
            values = np.frombuffer(stored, kind, len(stored) // np.dtype(kind).itemsize)
            self.storages[key] = values
        if values.dtype != np.dtype(kind) or not 0 <= count <= len(values):
            raise pickle.UnpicklingError(f"storage {key} has {len(values)} numbers, not {count}")
        return values[:count]

    def tensor(self, values: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
        sizes = [offset, *shape, *strides] if isinstance(shape, tuple | list) else [None]
        if not isinstance(values, np.ndarray) or any(type(n) is not int or n < 0 for n in sizes):
            raise pickle.UnpicklingError("a tensor of an unknown form")
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
            return _Tensor(np.zeros(shape, values.dtype))
        steps = [values.itemsize * step for step in strides]
        return _Tensor(np.lib.stride_tricks.as_strided(values[offset:], shape, steps))


def read_inert(path: Path) -> dict[str, np.ndarray]:
    """Return the tensors of a pickled checkpoint by their dotted names; bfloat16 as float32.

    Modules give parameters and buffers as in their `state_dict`; mappings give their keys, lists
    their places, other objects their attributes.

    Args:
        path: a file of `torch.save` in the zip format of torch 1.6 and later.

    Raises:
        ReadError: it is larger than 4 GiB, or not such a file, or breaks a bound.
    """
    size = path.stat().st_size
    if size > LARGEST:
        raise ReadError(str(path), f"it has more than {LARGEST:,} bytes", "Save safetensors instead")
    check_zip(path, "PyTorch")
    with zipfile.ZipFile(path) as archive:
        names = {info.filename: info for info in archive.infolist()}
        pickles = [name for name in names if name.endswith("/data.pkl")]
        if len(pickles) != 1 or names[pickles[0]].file_size > PICKLE:
            rule = f"it has no single data.pkl of at most {PICKLE:,} bytes"
            raise ReadError(str(path), rule, "Save it again with torch.save")
        root = pickles[0].rpartition("/")[0]
        if archive.read(f"{root}/byteorder") != b"little" if f"{root}/byteorder" in names else False:
            raise ReadError(str(path), "its numbers are big-endian", "Save it on a usual machine")
        try:
            content = _Reader(archive, root, 2 * size).load()
            tensors = dict(_search(content))
        except (ReadError, MemoryError):  # a lack of memory is said by the parent of the child
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
        return np.ascontiguousarray(values).reshape(values.shape)
    return (values.astype("<u4") << 16).view("<f4")


def _search(content: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the tensors that lie in containers and placeholders."""
    pending, visited = [("", content, 0)], 0
    while pending:
        name, thing, depth = pending.pop()
        visited += 1
        if visited > OBJECTS or depth > DEPTH:
            rule = f"more than {OBJECTS:,} objects, or deeper than {DEPTH}"
            raise pickle.UnpicklingError(rule)
        if isinstance(thing, _Tensor):
            yield name, thing.values
            continue
        parts = [*_parts(thing)]
        pending += [(f"{name}.{key}" if name and key else name or key, part, depth + 1)
                    for key, part in reversed(parts)]  # fmt: skip


def _parts(thing: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(thing, list | tuple):
        yield from ((str(place), part) for place, part in enumerate(thing))
    if not isinstance(thing, dict | _Placeholder):
        return
    parts = thing.parts if isinstance(thing, _Placeholder) else thing
    modules = isinstance(thing, _Placeholder) and "_modules" in parts
    skipped = parts.get("_non_persistent_buffers_set") if modules else None
    for key, part in dict.items(parts):
        if not isinstance(key, str | int):
            continue
        if not modules:
            yield str(key)[:200], part
        elif key in ("_parameters", "_modules"):
            yield "", part
        elif key == "_buffers" and isinstance(part, dict):
            names = skipped if isinstance(skipped, list | tuple) else ()
            yield "", {name: buffer for name, buffer in part.items() if name not in names}
