"""Where a layer's input can be computed again from, so that it need not be kept.

A norm and an activation keep their own input for the backward pass. A linear layer behind one then
needs no copy of its output: it keeps the same input, which costs nothing, and runs the module once
more in the backward pass. `remember` is a forward hook that writes the origin on the output.
"""

from __future__ import annotations

from typing import Any, NamedTuple, final

import torch
import torch.nn as nn
from torch import Tensor
from torch.func import functional_call

KINDS = (
    nn.LayerNorm,
    nn.RMSNorm,
    nn.GroupNorm,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.Hardswish,
    nn.Softplus,
)
"""Modules that keep their input and give the same output twice. ReLU keeps its output: no gain."""
ALSO = {"transformers.activations": ("GELUActivation", "SiLUActivation", "MishActivation")}
"""The same, by module and name, from libraries that are not imported here."""

_TAG = "_scionwood_origin"


@final
class Origin(NamedTuple):
    """A module and the tensors that it used, as they were then."""

    module: nn.Module
    tensors: dict[str, Tensor]
    """Its parameters by name, and the input under the empty name."""
    output_version: int
    autocast: tuple[str, torch.dtype, bool]

    def again(self, tensors: tuple[Tensor, ...]) -> Tensor:
        """The output once more.

        Args:
            tensors: the values of `tensors`, as autograd kept them: it refuses changed ones.
        """
        device, dtype, enabled = self.autocast
        *parameters, source = tensors
        with torch.no_grad(), torch.autocast(device, dtype=dtype, enabled=enabled):
            if not parameters:
                return self.module.forward(source)  # type: ignore[no-any-return]
            state = dict(zip(self.tensors, parameters, strict=False))
            return functional_call(self.module, state, (source,))  # type: ignore[no-any-return]


def produces(module: nn.Module) -> bool:
    """Whether a module's output can be computed again from what it keeps anyway."""
    if getattr(module, "inplace", False):  # it writes over its input
        return False
    names = ALSO.get(type(module).__module__, ())
    return isinstance(module, KINDS) or type(module).__name__ in names


def remember(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
    """Write the origin on the output: a forward hook.

    Under torch.compile nothing is written, since the compiler itself decides what to keep.
    """
    if torch.compiler.is_compiling() or not output.requires_grad or len(inputs) != 1:
        return
    device = output.device.type
    state = (device, torch.get_autocast_dtype(device), torch.is_autocast_enabled(device))
    tensors = {name: p.detach() for name, p in module.named_parameters(recurse=False)}
    tensors[""] = inputs[0].detach()
    setattr(output, _TAG, Origin(module, tensors, output._version, state))


def origin_of(x: Tensor) -> Origin | None:
    """The origin of a tensor that was not changed since; None where none is known."""
    if torch.compiler.is_compiling():
        return None
    found: Origin | None = getattr(x, _TAG, None)
    return found if found is not None and found.output_version == x._version else None
