"""Check that a merged layer computes what the adapted layer computed.

A merge adds to the stored weight of a layer. The layer may not use what is stored there:
`weight_norm` and pruning compute the weight anew at each call, weight standardisation divides it by
its spread, and a hook may change what goes in or out. Then the merged layer would silently be
another one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn as nn
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor
from torch.nn.utils.parametrize import is_parametrized

from scionwood.adapters.head import backbone
from scionwood.adapters.layers.attention import is_dead
from scionwood.adapters.modules import evaluating, parts
from scionwood.errors import AdapterError
from scionwood.kernels.interception import global_hooks, hooked

TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-4}
"""The largest difference relative to the largest output; 0.05 for the other dtypes."""

TF32 = 1e-3
"""What a GPU may round float32 to instead."""

ROUNDING = 1e-5
"""How far two ways to sum a product in single precision may differ, relative to the largest."""

MERGED = ("weight", "bias", "in_proj_weight")
"""The tensors of a module that the methods of peft add to, beside those that a layer names."""

_REMEDY = (
    "Use it unmerged, or make the weight permanent before attach: "
    "torch.nn.utils.parametrize.remove_parametrizations, remove_weight_norm, prune.remove"
)


def check_stored(layers: Mapping[str, BaseTunerLayer]) -> None:
    """Refuse layers whose weight is computed at each call, so that a merged one would be lost."""
    for name, layer in layers.items():
        bases = ((part.get_base_layer(), key) for part in parts(layer) for key in _keys(part))
        for base, key in bases:
            stored = key in base._parameters or key in base._buffers
            if stored or not isinstance(getattr(base, key, None), Tensor):
                continue
            rule = f"its {key} is no parameter, but {_origin(base, key)}: a merge would be lost"
            raise AdapterError(f"{name} ({type(base).__name__})", rule, _REMEDY)


def check_called(model: nn.Module, layers: Mapping[str, BaseTunerLayer]) -> None:
    """Refuse layers that are never called, as a merge would switch their adapters on.

    Files of peft have such layers, from `all-linear`.
    """
    for name in layers:
        if is_dead(backbone(model), name):
            rule = "nn.MultiheadAttention reads its weight and never calls it: merged, its adapter"
            remedy = "Use it unmerged, or adapt the attention as a whole"
            raise AdapterError(name, f"{rule} would change the output for the first time", remedy)


def _keys(layer: BaseTunerLayer) -> set[str]:
    form, parameter = getattr(layer, "form", None), getattr(layer, "parameter_name", None)
    adapted_names = (
        [weight.name for weight in form.weights] if form else [parameter] if parameter else []
    )
    return {*MERGED, *(name for name in adapted_names if "." not in name)}


def _origin(base: nn.Module, key: str) -> str:
    makers = base.parametrizations[key] if is_parametrized(base, key) else ()  # type: ignore[index]
    names = [type(maker).__name__ for maker in makers or base._forward_pre_hooks.values()]
    return f"computed at each call by {', '.join(names)}" if names else "a plain tensor"


_Outputs = tuple[Tensor, Tensor]
"""What a layer returns for one random input, with its adapters and without them."""


@contextmanager
def same_outputs(layers: Mapping[str, BaseTunerLayer]) -> Iterator[None]:
    """Compare the outputs of linear layers, embeddings and convolutions before and after the block.

    Raises:
        AdapterError: The output of a layer has changed by more than rounding, or a layer with a
            hook or a forward of its own cannot be run. The message names the layer and its class.
    """
    before = {name: _outputs(name, layer) for name, layer in layers.items() if _comparable(layer)}
    yield
    for name, expected in before.items():
        if expected is None:
            continue
        after = _outputs(name, layers[name])
        if after is None or _differs(*expected, after[0]):
            kind = type(layers[name].get_base_layer()).__name__
            rule = f"{kind} changes its weight, its input or its output in its forward or in a hook"
            raise AdapterError(
                name, f"{rule}: merged, it computes something else", "Use it unmerged"
            )


def _differs(adapted: Tensor, base: Tensor, merged: Tensor) -> bool:
    """Return whether more than rounding separates the outputs.

    A small adapter must not be lost within the tolerance, so that the error counts relative to what
    the adapter changes, too.
    """
    error = (merged - adapted).abs().max()
    change = (adapted - base).abs().max()
    dtype, scale = adapted.dtype, adapted.abs().max()
    bound = TOLERANCE.get(dtype, 0.05)
    if merged.is_cuda and dtype is torch.float32:
        bound = TF32
    rounding = bound if merged.is_cuda else min(bound, ROUNDING)
    lost = error > change / 2 and error > rounding * scale
    return bool(lost) or not bool(error <= bound * scale)


def _comparable(layer: BaseTunerLayer) -> bool:
    base: Any = layer.get_base_layer()
    weight: Any = getattr(base, "weight", None)
    plain = type(weight) in (nn.Parameter, Tensor) and weight.is_floating_point()
    return plain and weight.device.type != "meta" and _example(base) is not None


def _altered(base: nn.Module) -> bool:
    """Return whether something besides the code of torch runs when a module is called."""
    foreign = not type(base).forward.__module__.startswith("torch.nn.")
    return hooked(base) or global_hooks() or foreign or "forward" in vars(base)


@torch.no_grad()
def _outputs(name: str, layer: BaseTunerLayer) -> _Outputs | None:
    """Run a layer on one random input, without dropout; `None` if torch cannot run it here.

    Hooks on the layer of the adapter itself do not run, since they see the same before and after.
    """
    base: Any = layer.get_base_layer()
    x = _example(base)
    try:
        with evaluating(layer), torch.autocast(base.weight.device.type, enabled=False):
            adapted, plain = layer.forward(x), base(x)
        _ = adapted - plain  # raises if a hook returns something else than a tensor
        return adapted, plain
    except Exception as error:  # hooks are the user's own code
        if not _altered(base):  # such as a product in half precision that this device lacks
            return None
        rule = f"whether a merge keeps its output cannot be seen ({type(error).__name__}: {error})"
        kind = type(base).__name__
        raise AdapterError(
            f"{name} ({kind})", rule, "Use it unmerged, or remove its hooks"
        ) from error


def _example(base: Any) -> Tensor | None:
    """Return a small random input for a module of a known kind, the same at each call."""
    generator = torch.Generator().manual_seed(0)
    if isinstance(base, nn.Embedding):
        rows = torch.randint(base.num_embeddings, (2, 64), generator=generator)
        return rows.to(base.weight.device)
    if isinstance(base, nn.Linear):
        shape: tuple[int, ...] = (2, base.in_features)
    elif isinstance(base, nn.modules.conv._ConvNd):
        sizes = zip(base.kernel_size, base.dilation, base.stride, strict=True)
        shape = (2, base.in_channels, *(d * (k - 1) + s + 1 for k, d, s in sizes))
    elif type(base).__name__ == "Conv1D":  # of transformers: a linear layer with W transposed
        shape = (2, base.weight.shape[0])
    else:
        return None
    return torch.randn(shape, generator=generator).to(base.weight)
