"""Find what a CUDA graph could not repeat in a training step.

A graph replays kernels of a device with fixed addresses. It runs no Python. A step is therefore
safe if it reads nothing on the host, and if its operations and their shapes do not depend on data.
The same check runs on any device, before anything is captured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, final

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_leaves

_READS = {
    getattr(Tensor, name): name
    for name in ["item", "tolist", "numpy", "cpu"]
    + [f"__{kind}__" for kind in ("bool", "float", "int", "index", "array", "contains")]
}
"""Methods that wait for the device and hand values to the host."""
_MAKES = {torch.tensor, torch.as_tensor, torch.asarray, torch.from_numpy}
"""Functions that copy values of the host to the device."""
_BOOLEAN = (torch.bool, torch.uint8)


@final
class Trace(NamedTuple):
    """What a step did.

    Attributes:
        operations: each operation with its shapes, dtypes and numbers.
        faults: what a graph cannot repeat, in the order of the step, each once.
        outside: the tensors that it read and that were neither given nor made in the step.
    """

    operations: tuple[Any, ...]
    faults: tuple[str, ...]
    outside: tuple[Tensor, ...]


def traced(run: Callable[[], object], inputs: Iterable[Tensor]) -> Trace:
    """Run a step once, and return what it did.

    Example:
        >>> x = torch.ones(3)
        >>> traced(lambda: x[x > 0].sum(), [x]).faults
        ('aten::index by a mask has a shape that depends on data',)
    """
    faults: dict[str, None] = {}
    operations = _Operations(faults, inputs)
    with _Calls(faults), operations:
        run()
    outside = tuple(operations.outside.values())
    return Trace(tuple(operations.seen), tuple(faults), outside)


def unsafe(first: Trace, second: Trace) -> str:
    """Return why a graph cannot replace a step, or an empty string."""
    for trace in (first, second):
        if trace.faults:
            return trace.faults[0]
    for one, other in zip(first.operations, second.operations, strict=False):
        if one != other:
            return f"two steps differ: {one[0]} has other shapes, numbers or tensors"
    if len(first.operations) != len(second.operations):
        return "two steps differ in the number of their operations"
    return ""


@final
class _Calls(TorchFunctionMode):
    """Note the calls that the dispatcher of torch does not see."""

    def __init__(self, faults: dict[str, None]) -> None:
        super().__init__()
        self.faults = faults

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _READS:
            self.faults[f"Tensor.{_READS[func]} reads values on the host"] = None
        elif func in _MAKES and not isinstance(args[0], Tensor):
            self.faults[f"torch.{func.__name__} copies values of the host"] = None
        return func(*args, **(kwargs or {}))


@final
class _Operations(TorchDispatchMode):
    """Note every operation of torch."""

    def __init__(self, faults: dict[str, None], inputs: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.faults = faults
        self.seen: list[Any] = []
        self.outside: dict[int, Tensor] = {}  # kept, so that no other tensor gets its address
        self._known = {_place(tensor) for tensor in inputs}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.name().partition(".")[0]
        leaves = tree_leaves((args, kwargs))
        if why := _fault(name, func, leaves):
            self.faults[why] = None
        self.seen.append((name, *(self._sign(leaf) for leaf in leaves)))
        result = func(*args, **(kwargs or {}))
        self._known.update(_place(x) for x in tree_leaves(result) if isinstance(x, Tensor))
        return result

    def _sign(self, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return repr(value)
        place = _place(value)
        strange = place not in self._known
        if strange:
            self.outside[place] = value
        return tuple(value.shape), value.dtype, place if strange else 0


def _fault(name: str, func: Any, leaves: list[Any]) -> str:
    """Return what a graph cannot repeat in an operation, or an empty string."""
    if torch.Tag.data_dependent_output in func.tags or name == "aten::_linalg_check_errors":
        return f"{name} reads values on the host"
    if name == "aten::lift_fresh":  # also of an index by a list
        return f"{name} copies values of the host"
    if any(isinstance(leaf, torch.Generator) for leaf in leaves):
        return f"{name} draws from a generator of its own"
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    if name.startswith("aten::index"):
        masks = [t for t in tensors[1:] if t.dtype in _BOOLEAN]
        fills = "put" in name and tensors[-1].numel() == 1
        return f"{name} by a mask has a shape that depends on data" if masks and not fills else ""
    if torch.Tag.dynamic_output_shape in func.tags:
        return f"{name} has a shape that depends on data"
    if name in ("aten::_to_copy", "aten::copy_"):
        devices = [leaf for leaf in leaves if isinstance(leaf, torch.device)]
        kinds = {t.device.type for t in tensors} | {device.type for device in devices}
        return f"{name} copies between {' and '.join(sorted(kinds))}" if len(kinds) > 1 else ""
    return ""


def _place(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def shape_of(batch: Any) -> tuple[Any, ...]:
    """Return all of a batch but the values of its tensors; two batches with one shape are alike.

    Raises:
        TypeError: a part is neither a tensor nor plain data, so that tensors may hide in it.
    """
    leaves, tree = tree_flatten(batch)
    for leaf in leaves:
        if not isinstance(leaf, Tensor | str | bytes | int | float | bool | None):
            raise TypeError(f"the batch holds a {type(leaf).__name__}, which may hide tensors")
    return (tree, *(_without_data(leaf) for leaf in leaves))


def _without_data(leaf: Any) -> Any:
    if isinstance(leaf, Tensor):
        return tuple(leaf.shape), leaf.stride(), leaf.dtype, leaf.device
    return leaf
