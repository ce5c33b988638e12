"""Run the LoRA layers of a module that read one tensor as one operator.

The source of the module's forward says which of its layers get the same variable, for instance
`self.q_proj(x)`, `self.k_proj(x)` and `self.v_proj(x)`. The call of the first computes all. A later
call takes its result if it has the same tensor, unchanged, and the same parameters. Otherwise the
layer runs alone, and its group is not used again.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn

from scionwood.adapters.prepared import SIBLINGS, Prepared
from scionwood.adapters.sources import together
from scionwood.kernels import node
from scionwood.kernels.again import read_late


@final
class _Result(NamedTuple):
    """What the call of the first layer has computed for another one."""

    y: Tensor
    operands: tuple[Any, ...]
    versions: tuple[int, ...]


@final
class Siblings:
    """Layers of a module in the order of their calls."""

    def __init__(self, layers: list[Any], prepared: Callable[[Any], Prepared | None]) -> None:
        """Group some layers.

        Args:
            layers: The layers in the order of their calls.
            prepared: The call of a layer; `None` if something acts on it.
        """
        self.layers, self.prepared, self.off = layers, prepared, False
        self._results: dict[int, _Result] = {}
        self._source: tuple[Any, int, torch.dtype] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy needs, without results."""
        return {**self.__dict__, "_results": {}, "_source": None}

    def output(self, call: Prepared, x: Tensor) -> Tensor | None:
        """Return the output of the layer with a call, or `None` if the layer must run alone."""
        if self.off or not torch.is_grad_enabled() or read_late():
            return None
        if call.attributes is not self.layers[0].__dict__:
            return self._take(call, x)
        if self._results:  # nobody has taken them: the module does not do what its source says
            self._stop()
            return None
        calls = [call, *map(self.prepared, self.layers[1:])]
        if any(other is None or other.dropout() for other in calls):
            return None  # what acts on one of them could also change the input of the next
        operands = [other.operands() for other in calls if other is not None]
        weights, biases, a, b, scalings = zip(*operands, strict=True)
        dtype = node.working(x)
        together = node.Call(dtype, weights, scalings, call.recompute, call.watch)
        first, *others = node.run(x, together, *sum(zip(a, b, biases, strict=True), ()))
        self._source = weakref.ref(x), x._version, dtype
        for layer, of, y in zip(self.layers[1:], operands[1:], others, strict=True):
            self._results[id(layer.__dict__)] = _Result(y, of, _versions(of))
        return first

    def _take(self, call: Prepared, x: Tensor) -> Tensor | None:
        result = self._results.pop(id(call.attributes), None)
        if result is None or self._source is None:
            return None
        source, version, dtype = self._source
        operands = call.operands()
        if (
            source() is x
            and x._version == version
            and node.working(x) is dtype
            and all(one is two for one, two in zip(operands, result.operands, strict=True))
            and _versions(operands) == result.versions
        ):
            return result.y
        self._stop()
        return None

    def _stop(self) -> None:
        self._results, self._source, self.off = {}, None, True


def _versions(operands: tuple[Any, ...]) -> tuple[int, ...]:
    weight, bias, a, b, _ = operands
    return weight._version, 0 if bias is None else bias._version, a._version, b._version


def group(model: nn.Module, kind: type, prepared: Callable[[Any], Prepared | None]) -> None:
    """Give each layer of a kind its group; a layer without siblings gets none."""
    ungroup(model)
    for parent in model.modules():
        children = parent._modules
        if sum(type(child) is kind for child in children.values()) < 2:
            continue
        for names in together(type(parent)):
            layers = [children[name] for name in names if type(children.get(name)) is kind]
            if len(set(map(id, layers))) == len(layers) > 1:
                shared = Siblings(layers, prepared)
                for layer in layers:
                    vars(layer)[SIBLINGS] = shared


def ungroup(model: nn.Module) -> None:
    """Remove the groups of all layers."""
    for module in model.modules():
        vars(module).pop(SIBLINGS, None)


def siblings(layer: Any) -> Siblings | None:
    """Return the group of a layer."""
    group: Siblings | None = vars(layer).get(SIBLINGS)
    return group
