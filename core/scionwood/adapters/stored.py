"""Modules without memory for their weights, and where in safetensors files those weights lie.

A parameter of such a module is on the meta device: it has a shape and a dtype, and no values. Its
attribute names the file and the tensor in it, so that a process reads only the rows that it keeps.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import NamedTuple, final

import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.utils.weak import WeakIdKeyDictionary

from scionwood.errors import WeightsError

INDEX = ".index.json"
"""The ending of a file that names the safetensors files of a model, one for each tensor."""
CHUNK = 1 << 24
"""The number of entries that `chunks` reads at once: 64 MB in float32."""

_ATTRIBUTE = "_scionwood_place"
_deferring: ContextVar[bool] = ContextVar("_deferring", default=False)


@final
class Place(NamedTuple):
    """Where a tensor lies: a safetensors file, and the name of the tensor in it.

    Example:
        >>> from pathlib import Path
        >>> from safetensors.torch import save_file
        >>> save_file({"bias": torch.arange(3.0)}, "tiny.safetensors")
        >>> authoring.Place(Path("tiny.safetensors"), "bias").rows(1, 3)
        tensor([1., 2.])
    """

    path: Path
    key: str

    def rows(self, start: int | None = None, stop: int | None = None) -> Tensor:
        """Read rows of the tensor, or all of it, in the dtype of the file.

        The file is opened for this call alone. The system then counts no more of its pages to this
        process than the rows that are held.
        """
        # Within `torch.device("meta")` safetensors would return tensors without values.
        with torch.device("cpu"), safe_open(self.path, framework="pt") as file:
            part = file.get_slice(self.key)
            value: Tensor = part[start:stop] if part.get_shape() else file.get_tensor(self.key)
            return value


@contextmanager
def deferring() -> Iterator[None]:
    """Let `empty_weights` take effect in this block; a strategy uses it to shard a base.

    Example:
        >>> with authoring.deferring(), authoring.empty_weights() as empty:
        ...     model = torch.nn.Linear(8, 1)
        >>> empty, model.weight.is_meta
        (True, True)
    """
    token = _deferring.set(True)
    try:
        yield
    finally:
        _deferring.reset(token)


@contextmanager
def empty_weights() -> Iterator[bool]:
    """Build a module in this block without memory for its weights, if the strategy shards it.

    A backbone calls this around the constructor of its module, and then `load_weights`. In most
    runs the block changes nothing. With a strategy that shards the base the parameters have
    no values, and `load_weights` only notes where they lie. Each process then reads its own part.
    Buffers have their values in any case.

    Yields:
        Whether the parameters of this block have no values.

    Example:
        >>> with authoring.empty_weights() as empty:
        ...     model = torch.nn.Linear(8, 1)
        >>> empty, model.weight.is_meta
        (False, False)
    """
    if not _deferring.get():
        yield False
        return
    placeholders: WeakIdKeyDictionary = WeakIdKeyDictionary()

    def emptied(module: nn.Module, name: str, parameter: nn.Parameter) -> nn.Parameter | None:
        if parameter is None or parameter.is_meta:
            return None
        if parameter not in placeholders:  # a parameter of two modules stays one
            value = parameter.detach().to("meta")
            placeholders[parameter] = nn.Parameter(value, requires_grad=parameter.requires_grad)
        shared: nn.Parameter = placeholders[parameter]
        return shared

    handle = register_module_parameter_registration_hook(emptied)  # type: ignore[arg-type]
    try:
        yield True
    finally:
        handle.remove()


def places(path: Path) -> dict[str, Place]:
    """Return where the tensors of a safetensors file, or of an index of several, lie."""
    if not path.name.endswith(INDEX):
        with safe_open(path, framework="pt") as file:
            return {key: Place(path, key) for key in file.keys()}  # noqa: SIM118
    table = json.loads(path.read_text("utf-8"))
    names = table.get("weight_map") if isinstance(table, dict) else None
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        rule = "it has no map from tensors to files, `weight_map`"
        raise WeightsError(str(path), rule, "Give the index that was saved with the files")
    for name in set(names.values()):
        if Path(name).name != name or not (path.parent / name).is_file():
            rule = f"it names {name}, which is no file of its folder"
            raise WeightsError(str(path), rule, "Put all files of the model into one folder")
    return {key: Place(path.parent / name, key) for key, name in names.items()}


def note(parameter: Tensor, place: Place) -> None:
    """Note where a parameter without values lies."""
    setattr(parameter, _ATTRIBUTE, place)


def noted(parameter: Tensor) -> Place:
    """Return where a parameter without values lies.

    Raises:
        WeightsError: `load_weights` has not noted it.

    Example:
        >>> from safetensors.torch import save_model
        >>> save_model(torch.nn.Linear(8, 1), "tiny.safetensors")
        >>> with authoring.deferring(), authoring.empty_weights():
        ...     model = torch.nn.Linear(8, 1)
        >>> scionwood.load_weights(model, "tiny.safetensors")
        >>> authoring.noted(model.weight).key
        'weight'
    """
    place: Place | None = getattr(parameter, _ATTRIBUTE, None)
    if place is None:
        rule = "it has no values, and no file was named for it"
        remedy = (
            "Call scionwood.load_weights on the module that scionwood.authoring.empty_weights made"
        )
        raise WeightsError(f"a parameter of shape {tuple(parameter.shape)}", rule, remedy)
    return place


def chunks(parameter: Tensor) -> Iterator[Tensor]:
    """Yield the values of a parameter without values, in its dtype, a few rows at a time."""
    place = noted(parameter)
    rows = len(parameter) if parameter.ndim else 1
    step = max(1, CHUNK * rows // max(parameter.numel(), 1))
    for start in range(0, rows, step):
        yield place.rows(start, start + step).to(parameter.dtype)
