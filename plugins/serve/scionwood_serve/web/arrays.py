"""Small arrays in JSON: they become `.npy` files, which services read and write."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from scionwood import ReadError
from scionwood.authoring import reading
from scionwood_serve.versions.problem import ServingError

ENDING = ".npy"
DTYPES = ("float32", "float64", "uint8", "int16", "int32")
DEEPEST = 4
"""The most axes of an array in JSON."""

UNITS = 40
"""The most characters of a unit."""

KEYS = {"array", "dtype", "shape", "units"}
_SUCH = 'Such as {"array": [[0.5, 1]], "dtype": "float32", "shape": [1, 2], "units": "Pa"}'


def write_array(body: dict[str, Any], target: Path) -> str:
    """Write the array of a request as a `.npy` file.

    Args:
        body: the object of the request: `array`, nested lists of numbers; and, if they are given,
            `dtype` (float32 by default), `shape`, with which it is compared, and `units`.
        target: the file.

    Returns:
        The units; `unknown` if none are given.

    Raises:
        ServingError: a key is unknown, lists are ragged or too deep, a value is no finite number or
            not one of the type, or the shape is another.
    """
    if unknown := sorted(set(body) - KEYS):
        _refuse(f"JSON: key {unknown[0][:80]!r}", f"the keys are {', '.join(sorted(KEYS))}")
    dtype, units = body.get("dtype", "float32"), body.get("units", "unknown")
    if dtype not in DTYPES:
        _refuse(f"dtype {str(dtype)[:80]!r}", f"it is one of {', '.join(DTYPES)}")
    if not isinstance(units, str) or not units.isprintable() or len(units) > UNITS:
        _refuse(f"units {str(units)[:80]!r}", f"they are a text of up to {UNITS} characters")
    shape = _shape(body["array"])
    if body.get("shape", list(shape)) != list(shape):
        _refuse(f"shape {str(body['shape'])[:80]}", f"the array has the shape {list(shape)}")
    values = np.array(list(_numbers(body["array"], shape)), np.float64)
    np.save(target, _typed(values, dtype).reshape(shape), allow_pickle=False)
    return units


def read_array(path: Path, units: str) -> dict[str, Any]:
    """Return what JSON states of a `.npy` file that a service wrote.

    Args:
        path: the file.
        units: the units of its values.

    Raises:
        ServingError: a value is not finite.
    """
    values = np.load(path, allow_pickle=False)
    if not np.isfinite(values).all():
        rule = "the result holds NaN or infinity, which JSON cannot state"
        raise ServingError("answer", rule, "Send a file in place of JSON")
    metadata = {"dtype": str(values.dtype), "shape": list(values.shape), "units": units}
    return {"array": values.tolist(), **metadata}


def check_array(path: Path) -> None:
    """Refuse a `.npy` file that is damaged, holds objects or is not as long as its header says.

    Args:
        path: the file.

    Raises:
        ReadError: naming the rule.
    """
    with reading(path, "npy"):
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    if values.dtype.kind not in "fiu":
        raise ReadError(path.name, f"it holds {values.dtype}, no real numbers", "Convert it")


def no_constant(name: str) -> NoReturn:
    """Refuse `NaN` and `Infinity`, which Python's parser would take; see `json.loads`.

    Raises:
        ServingError: always.
    """
    _refuse(f"JSON: {name}", "it is no number of JSON, and services need finite values")


def _shape(array: Any) -> tuple[int, ...]:
    """Return the shape that the first elements give."""
    shape: list[int] = []
    while isinstance(array, list):
        shape.append(len(array))
        if len(shape) > DEEPEST:
            _refuse("array", f"it has more than {DEEPEST} axes")
        if not array:
            _refuse(f"array{'[0]' * (len(shape) - 1)}", "it is empty")
        array = array[0]
    if not shape:
        _refuse("array", "it is no list")
    return tuple(shape)


def _numbers(part: Any, shape: tuple[int, ...], place: str = "array") -> Iterator[float]:
    """Yield the numbers of nested lists; name the first place that does not fit the shape."""
    if not shape:
        if isinstance(part, bool) or not isinstance(part, int | float):
            _refuse(place, f"it is {json.dumps(part)[:60]}, and no number")
        number = _finite(part)
        if number is None:
            _refuse(place, "it is not finite")
        yield number
        return
    if not isinstance(part, list) or len(part) != shape[0]:
        size = f"{len(part)} entries" if isinstance(part, list) else "no list"
        first = place.rpartition("[")[0] + "[0]"
        _refuse(place, f"it has {size}, and {first} has {shape[0]}: the lists are ragged")
    for at, entry in enumerate(part):
        yield from _numbers(entry, shape[1:], f"{place}[{at}]")


def _finite(number: float) -> float | None:
    try:
        value = float(number)
    except OverflowError:  # an integer of hundreds of digits
        return None
    return value if math.isfinite(value) else None


def _typed(values: np.ndarray, dtype: str) -> np.ndarray:
    kind = np.dtype(dtype)
    if kind.kind == "f":
        if np.abs(values).max() > np.finfo(kind).max:
            _refuse("array", f"it holds {np.abs(values).max():g}, which {dtype} cannot hold")
        return values.astype(kind)
    limits = np.iinfo(kind)
    outside = (values != np.round(values)) | (values < limits.min) | (values > limits.max)
    if outside.any():
        _refuse("array", f"it holds {values[outside][0]:g}, which {dtype} cannot hold")
    return values.astype(kind)


def _refuse(value: str, rule: str) -> NoReturn:
    raise ServingError(value, rule, _SUCH, 422)
