"""Compute the input of a layer again in the backward pass, from what autograd keeps in any case.

A norm keeps its input, an activation its input or its result, and a product its factors. A linear
layer behind them need not keep its own input. Its node in the graph of autograd leads to theirs:
the walk knows operations, and no class of a module.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Literal, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

Recompute = Literal["memory", "speed", "auto"]
"""Whether inputs of layers are computed again in the backward pass; see `source_of`."""
CHOICES: tuple[Recompute, ...] = ("memory", "speed", "auto")
SMALL = 256 << 10
"""The bytes of an input up to which `auto` keeps it: a launch costs more than so little memory."""
DEPTH = 8
"""The most operations between a tensor and what autograd has saved."""
EPS = (1e-5, 1e-6, 1e-12, 1e-3, 1e-4, 1e-7, 1e-8, 0.0)
"""The eps of norms that are tried, since the graph does not have it; see `source_of`."""

Watch = tuple[Any, ...]
_TAG = "_scionwood_source"
_LATE = ("torch.utils.checkpoint", "torch.autograd.graph")
"""Modules whose hooks on saved tensors compute or copy when a tensor is read."""
_PRODUCERS = (nn.LayerNorm.__module__, nn.GELU.__module__)
_eps_of: MutableMapping[Tensor, dict[tuple[str, ...], float | None]] = WeakTensorKeyDictionary()
"""The eps with which a layer's input was right, by the names of the operations; `None`: none."""


@final
class Source:
    """How to compute a tensor again, once for all layers that read it."""

    __slots__ = ("eps", "users", "value")

    def __init__(self, eps: float) -> None:
        self.eps = eps
        self.users: float = 0
        """The layers that read the tensor and have not computed their gradients yet."""
        self.value: Tensor | None = None

    def read(self, node: Any) -> Tensor:
        """Return the tensor of a node of autograd; the last layer that reads it frees it."""
        value = self.value
        if value is None:
            with torch.no_grad():
                value = _value(node, self.eps)
        self.users -= 1
        self.value = value if self.users > 0 else None
        return value


def source_of(x: Tensor, owner: Tensor, recompute: Recompute, watch: Watch = ()) -> Source | None:
    """Return how to compute a tensor again, or `None` if it is to be kept.

    The first time that a layer reads the result of some operations, it is computed again and
    compared: the graph shows neither what was written over a tensor, nor the eps of a norm.

    Args:
        x: The input of a layer.
        owner: A parameter of the layer.
        recompute: `memory` computes again what can be computed. `speed` keeps every input. `auto`
            keeps those of at most `SMALL` bytes.
        watch: The hooks of the modules in front. While there is one, each call is compared.
    """
    if recompute == "speed" or (recompute == "auto" and x.numel() * x.itemsize <= SMALL):
        return None
    if x.grad_fn is None or x._version or read_late():
        return None
    source: Source | None
    if (tag := getattr(x, _TAG, None)) is not None:
        (source,) = tag
        return source
    names = tuple(_names(x.grad_fn, DEPTH))
    if not names or names[-1]:  # the walk ends with an empty name where autograd has saved
        source = None
    else:
        eps_by_names = _eps_of.setdefault(owner, {})
        if names not in eps_by_names or any(watch):
            eps_by_names[names] = _trial(x, names)
        eps = eps_by_names[names]
        source = None if eps is None else Source(eps)
    setattr(x, _TAG, (source,))
    return source


def keep(x: Any) -> None:
    """Let the layers that read a tensor keep it, those too that have read it already.

    What acts on a layer, such as a hook, may write over its input through `.data`, which nothing
    shows.
    """
    if torch.compiler.is_compiling() or type(x) is not Tensor or not x.requires_grad:
        return
    (source,) = getattr(x, _TAG, (None,))
    if source is not None:
        source.value, source.users = x.detach(), math.inf
    setattr(x, _TAG, (None,))


def watched(modules: Iterable[nn.Module]) -> Watch:
    """Return the dicts with the hooks of norms and activations, which may write over outputs."""
    return tuple(
        module._forward_hooks
        for module in modules
        if isinstance(module, nn.LayerNorm) or type(module).__module__ in _PRODUCERS
    )


def read_late() -> bool:
    """Return whether saved tensors are computed again or copied when they are read."""
    hooks = torch._C._autograd._top_saved_tensors_default_hooks(True)
    return hooks is not None and getattr(hooks[0], "__module__", "") in _LATE


def _trial(x: Tensor, names: tuple[str, ...]) -> float | None:
    node = x.grad_fn
    with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
        for eps in EPS if _NORM in names else EPS[:1]:
            try:
                if torch.equal(_value(node, eps), x):
                    return eps
            except RuntimeError:  # a saved tensor was changed in place, or was freed
                return None
    return None


def _names(node: Any, depth: int) -> Iterator[str]:
    """Yield the names of the operations of a tensor; the last is empty if it can be computed."""
    name = node.name() if node is not None and depth else "?"
    yield name
    if name in _SAVED:
        yield ""
    elif name in _CHANGED:
        yield from _names(node.next_functions[0][0], depth - 1)
    elif name == _PRODUCT:
        for attribute, (inner, _) in zip(_FACTORS, node.next_functions, strict=True):
            end = ""
            if not _is_saved(node, attribute):
                for end in _names(inner, depth - 1):
                    yield end
            if end:
                return
        yield ""


def _is_saved(node: Any, attribute: str) -> bool:
    try:
        return getattr(node, attribute) is not None
    except RuntimeError:  # it was changed in place, or was freed
        return False


def _value(node: Any, eps: float) -> Tensor:
    """Return the tensor that a node of autograd has made, bit for bit."""
    name = node.name()
    if name == _PRODUCT:
        left, right = (
            _value(inner, eps) if factor is None else factor
            for factor, (inner, _) in zip(
                (node._saved_self, node._saved_other), node.next_functions, strict=True
            )
        )
        return left * right
    if name in _SAVED:
        return _SAVED[name](node, eps)
    about = node._input_metadata[0]  # of the gradient, which is that of the output
    return _CHANGED[name](_value(node.next_functions[0][0], eps), about, node)


def _norm(node: Any, eps: float) -> Tensor:
    affine = node._saved_weight, node._saved_bias
    return F.layer_norm(node._saved_input, tuple(node._saved_normalized_shape), *affine, eps)


def _result(node: Any, eps: float) -> Tensor:
    result: Tensor = node._saved_result
    return result


def _activation(function: Callable[..., Tensor], *options: str) -> Callable[[Any, float], Tensor]:
    """Return the rule of an activation that keeps its input and some options."""

    def rule(node: Any, eps: float) -> Tensor:
        return function(node._saved_self, *(getattr(node, f"_saved_{name}") for name in options))

    return rule


def _transposed(x: Tensor, about: Any, node: Any) -> Tensor:
    dims = node._saved_dim0, node._saved_dim1  # unsigned: -1 is 2^64 - 1
    one, other = (dim - (1 << 64) if dim >> 63 else dim for dim in dims)
    return x.transpose(one, other)


def _viewed(x: Tensor, about: Any, node: Any) -> Tensor:
    return x.reshape(tuple(about.shape))


_NORM, _PRODUCT = "NativeLayerNormBackward0", "MulBackward0"
_FACTORS = "_saved_self", "_saved_other"
_SAVED: Mapping[str, Callable[[Any, float], Tensor]] = {
    _NORM: _norm,
    "ReluBackward0": _result,
    "SigmoidBackward0": _result,
    "TanhBackward0": _result,
    "SiluBackward0": _activation(F.silu),
    "MishBackward0": _activation(F.mish),
    "HardswishBackward0": _activation(F.hardswish),
    "SoftplusBackward0": _activation(F.softplus, "beta", "threshold"),
    "GeluBackward0": _activation(lambda x, how: F.gelu(x, approximate=how), "approximate"),
}
"""How to compute a tensor from what its node has saved, by the name of the node."""
_CHANGED: Mapping[str, Callable[[Tensor, Any, Any], Tensor]] = {
    "ToCopyBackward0": lambda x, about, node: x.to(about.device, about.dtype),
    "CloneBackward0": lambda x, about, node: x,
    "ViewBackward0": _viewed,
    "UnsafeViewBackward0": _viewed,
    "TransposeBackward0": _transposed,
}
"""The same for operations with one input that save nothing."""
