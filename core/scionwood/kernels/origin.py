"""Record how to compute the input of a layer again, so that it need not be kept.

A normalisation layer or an activation keeps its own input for the backward pass. A linear layer
behind it can keep the same input instead of its own, which needs no extra memory. In the backward
pass it runs the module in front of it again. The forward hook `remember` marks the output of that
module.
"""

from __future__ import annotations

from typing import Any, Literal, final

import torch
import torch.nn as nn
from torch import Tensor
from torch.func import functional_call

from scionwood.kernels.saved import Again, recipe_of

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
"""Modules that keep their input and are deterministic. ReLU keeps its output, so no gain."""
ALSO = {"transformers.activations": ("GELUActivation", "SiLUActivation", "MishActivation")}
"""Such modules of libraries that are not imported here, by module and class name."""

_TAG = "_scionwood_origin"

Recompute = Literal["memory", "speed", "auto"]
"""Whether inputs of layers are computed again in the backward pass; see `origin_of`."""
CHOICES: tuple[Recompute, ...] = ("memory", "speed", "auto")
SMALL = 256 << 10
"""The bytes of an input up to which `auto` keeps it: a launch costs more than so little memory."""


@final
class Origin(Again):
    """A module, the tensors that it used and the autocast state at that time."""

    def __init__(
        self,
        module: nn.Module,
        tensors: dict[str, Tensor],
        autocast: tuple[str, torch.dtype, bool],
    ) -> None:
        """Store what the output depends on.

        Args:
            module: The module.
            tensors: Its parameters by name, and its input under the empty name.
            autocast: The device, the dtype and whether autocast is on.
        """
        super().__init__(tensors)
        self.module, self.autocast = module, autocast

    def compute(self, tensors: tuple[Tensor, ...]) -> Tensor:
        """See `Again.compute`."""
        device, dtype, enabled = self.autocast
        *parameters, source = tensors
        with torch.no_grad(), torch.autocast(device, dtype=dtype, enabled=enabled):
            if not parameters:
                return self.module.forward(source)  # type: ignore[no-any-return]
            state = dict(zip(self.tensors, parameters, strict=False))
            return functional_call(self.module, state, (source,))  # type: ignore[no-any-return]


def produces(module: nn.Module) -> bool:
    """Return whether the output of a module can be computed again from what it keeps."""
    if getattr(module, "inplace", False):  # it writes over its input
        return False
    names = ALSO.get(type(module).__module__, ())
    return isinstance(module, KINDS) or type(module).__name__ in names


def remember(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
    """Store the origin in the output tensor; this is a forward hook.

    Under torch.compile nothing is stored, since the compiler decides what to keep.
    """
    if torch.compiler.is_compiling() or not output.requires_grad or len(inputs) != 1:
        return
    device = output.device.type
    state = (device, torch.get_autocast_dtype(device), torch.is_autocast_enabled(device))
    tensors = {name: p.detach() for name, p in module.named_parameters(recurse=False)}
    tensors[""] = inputs[0].detach()
    setattr(output, _TAG, (Origin(module, tensors, state), output._version))


def origin_of(x: Tensor, recompute: Recompute = "memory") -> Again | None:
    """Return how to compute a tensor again, or `None` if it is unknown or shall be kept.

    Layers that read the same tensor get the same object, which computes the tensor once for all.

    Args:
        x: The input of a layer.
        recompute: `memory` computes again what can be computed. `speed` keeps every input. `auto`
            keeps those of at most `SMALL` bytes.
    """
    if recompute == "speed" or torch.compiler.is_compiling():
        return None
    if recompute == "auto" and x.numel() * x.itemsize <= SMALL:
        return None
    tagged: tuple[Again, int] | None = getattr(x, _TAG, None)
    if tagged is not None and tagged[1] == x._version:
        return tagged[0]
    recipe = recipe_of(x)
    if recipe is not None:
        setattr(x, _TAG, (recipe, x._version))
    return recipe
