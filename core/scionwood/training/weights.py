"""Load pretrained weights strictly: exactly the tensors of the module, and finite values."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import torch
from safetensors import safe_open
from torch import Tensor, nn

from scionwood.adapters.stored import Place, note, places
from scionwood.errors import ReadError, TrainingError, WeightsError
from scionwood_sandbox.files import reading

NAMES_IN_MESSAGE = 3
"""Names in an error; a wrong file may lack hundreds."""

UNSAFE = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
"""The environment variable that takes the safety from every `torch.load`."""

REMEDY = "Give a safetensors file of the same architecture and size"


class _Stored(NamedTuple):
    place: Place
    shape: tuple[int, ...]


def load_weights(
    module: nn.Module,
    path: str | Path,
    *,
    optional: Callable[[str], bool] | None = None,
    remedy: str = REMEDY,
) -> None:
    """Load a safetensors file into a module; the dtype of the module stays.

    A tensor that the module has under two names may have one of them in the file. If the module
    was made by `empty_weights` and has no values, only its buffers are read. For its parameters the
    function notes where they lie.

    Args:
        module: is changed in place, or left as it was if this raises.
        path: a safetensors file whose tensors have the names and shapes of `module.state_dict()`,
            or the index `NAME.safetensors.index.json` of several such files in one folder.
        optional: tells which names the file may lack; the module's own values stay there. `None`
            means that the file must hold all.
        remedy: what the reader can do about a wrong file, for the message.

    Raises:
        WeightsError: there is no such file, it is not a safetensors file, it has other names or
            shapes, or values that are not finite.

    Example:
        >>> from safetensors.torch import save_model
        >>> save_model(torch.nn.Linear(8, 1), "tiny.safetensors")
        >>> scionwood.load_weights(torch.nn.Linear(8, 1), "tiny.safetensors")
    """
    path, current = Path(path), module.state_dict(keep_vars=True)
    with _refusing(path, remedy):
        stored = _layout(path)
        twins = {id(current[name]) for name in stored if name in current}

        def may_lack(name: str) -> bool:
            return id(current[name]) in twins or bool(optional and optional(name))

        _check_shapes(_shapes(stored), current, may_lack)
        if any(value.is_meta for value in current.values()):
            _locate(stored, current)
            return
        values = _values(path, stored)
        _check_values(values, current)
    module.load_state_dict(module.state_dict() | values)


def read_weights(
    path: str | Path,
    expected: Mapping[str, Tensor],
    *,
    optional: Callable[[str], bool] | None = None,
    within: Sequence[str] | None = None,
    remedy: str = REMEDY,
) -> dict[str, Tensor]:
    """Read the tensors of a weights file after its names and shapes have been checked.

    Args:
        path: the file.
        expected: a tensor of the right shape for each name, such as a module's `state_dict()`.
        optional: see `load_weights`.
        within: the keys under which a checkpoint of PyTorch holds the tensors, outermost first.
            Such a file is read by `torch.load(weights_only=True)`, which runs no code of it, and
            the prefix `module.` of its names is dropped. `None` means safetensors only.
        remedy: see `load_weights`.

    Returns:
        The tensors by name in the dtype of the file, on the CPU.

    Raises:
        WeightsError: see `load_weights`.

    Example:
        >>> from safetensors.torch import save_model
        >>> model = torch.nn.Linear(8, 1)
        >>> save_model(model, "tiny.safetensors")
        >>> weights = authoring.read_weights("tiny.safetensors", model.state_dict())
        >>> torch.equal(weights["bias"], model.bias)
        True
    """
    path = Path(path)
    with _refusing(path, remedy):
        if within is None or path.suffix in (".safetensors", ".json"):
            stored = _layout(path)
            _check_shapes(_shapes(stored), expected, optional)
            tensors = _values(path, stored)
        else:
            tensors = _unpickled(path, within)
            shapes = {name: tuple(value.shape) for name, value in tensors.items()}
            _check_shapes(shapes, expected, optional)
        _check_values(tensors, expected)
    return tensors


def load_tensors(file: str | Path | IO[bytes]) -> Any:
    """Load what `torch.save` wrote, to the CPU, without running code of it.

    Torch reads its pickle with an interpreter of its own, which makes tensors and plain data only.

    Args:
        file: the file.

    Raises:
        TrainingError: an environment variable makes torch run code.
        Exception: the file is damaged, or holds anything else.

    Example:
        >>> torch.save({"rate": 0.1}, "state.pt")
        >>> authoring.load_tensors("state.pt")
        {'rate': 0.1}
    """
    refuse_unsafe_torch()
    return torch.load(file, map_location="cpu", weights_only=True)


def refuse_unsafe_torch() -> None:
    """Refuse to go on if an environment variable makes torch run the code in a file."""
    if os.environ.get(UNSAFE):
        rule = "it makes torch run any code that a checkpoint holds"
        raise TrainingError(f"environment variable {UNSAFE}", rule, f"Run: unset {UNSAFE}")


@contextmanager
def _refusing(path: Path, remedy: str) -> Iterator[None]:
    """Name the file and what to do about it where a rule for weights is broken in the block."""
    try:
        if not path.is_file():
            raise ReadError(str(path), "there is no such weights file")
        yield
    except ReadError as error:
        raise WeightsError(str(path), error.rule, remedy) from error


def _unpickled(path: Path, within: Sequence[str]) -> dict[str, Tensor]:
    """Return the tensors under some keys of a checkpoint of PyTorch."""
    with reading(path, "PyTorch"):
        content = load_tensors(path)
    for key in within:
        content = content.get(key) if isinstance(content, dict) else None
    if not isinstance(content, dict) or not all(isinstance(x, Tensor) for x in content.values()):
        place = " / ".join(within) or "its top"
        raise ReadError(str(path), f"it has no dictionary of tensors at {place}")
    return {str(name).removeprefix("module."): value for name, value in content.items()}


def _layout(path: Path) -> dict[str, _Stored]:
    """Return the place and the shape of each tensor of a file, or of the files of an index."""
    stored: dict[str, _Stored] = {}
    with reading(path, "safetensors"):
        for file in sorted({place.path for place in places(path).values()}):
            with safe_open(file, framework="pt") as opened:
                for key in opened.keys():  # noqa: SIM118
                    shape = tuple(opened.get_slice(key).get_shape())
                    stored[key] = _Stored(Place(file, key), shape)
    return stored


def _shapes(stored: Mapping[str, _Stored]) -> dict[str, tuple[int, ...]]:
    return {name: tensor.shape for name, tensor in stored.items()}


def _values(path: Path, stored: Mapping[str, _Stored]) -> dict[str, Tensor]:
    """Return whole tensors by name; each file is opened once, which takes longer than a read."""
    values: dict[str, Tensor] = {}
    with reading(path, "safetensors"), torch.device("cpu"):
        for file in {tensor.place.path for tensor in stored.values()}:
            with safe_open(file, framework="pt") as opened:
                for name, (place, shape) in stored.items():
                    if place.path == file:
                        key = place.key
                        values[name] = opened.get_slice(key)[:] if shape else opened.get_tensor(key)
    return {name: values[name] for name in stored}


def _check_values(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    for name, value in tensors.items():
        if value.is_floating_point() != expected[name].is_floating_point():
            raise ReadError("weights", f"{name} holds values of type {value.dtype}")
        if not value.isfinite().all():
            raise ReadError("weights", f"{name} holds NaN or infinity")


def _check_shapes(
    shapes: Mapping[str, tuple[int, ...]],
    expected: Mapping[str, Tensor],
    optional: Callable[[str], bool] | None,
) -> None:
    missing = [n for n in expected if n not in shapes and not (optional and optional(n))]
    unexpected = [name for name in shapes if name not in expected]
    wrong = [
        f"{name} {shape} for {tuple(expected[name].shape)}"
        for name, shape in shapes.items()
        if name in expected and shape != tuple(expected[name].shape)
    ]
    for what, names in (("lacks", missing), ("also has", unexpected), ("has shapes", wrong)):
        if names:
            rule = f"it is of another model or size: it {what} {_name_some(names)}"
            raise ReadError("weights", rule)


def _locate(stored: Mapping[str, _Stored], current: Mapping[str, Tensor]) -> None:
    """Note where each parameter without values lies; read the buffers, which have values."""
    for name, (place, _) in stored.items():
        if current[name].is_meta:
            note(current[name], place)
        else:
            current[name].data.copy_(place.rows())


def _name_some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMES_IN_MESSAGE} more" if len(names) > NAMES_IN_MESSAGE else ""
    return ", ".join(names[:NAMES_IN_MESSAGE]) + more
