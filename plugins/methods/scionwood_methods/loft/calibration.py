"""Compute the supports of LOFT from the gradients of a few batches, before training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar, final

import torch
import torch.nn as nn
from torch import Tensor

from scionwood import AdapterError
from scionwood_methods.loft.tuner import LoftLayer
from scionwood_methods.shared.modes import evaluating

Batch = TypeVar("Batch")

OVERSAMPLING = 8
"""Directions beyond r that the range finder uses to be accurate."""


def calibrate(
    model: nn.Module, batches: Iterable[Batch], loss: Callable[[nn.Module, Batch], Tensor]
) -> None:
    """Compute the support of every active LOFT adapter with `support="gradient"`.

    To first order a small rotation inside P changes the loss by `<S, P Q P^T>` with
    `S = Skew(W0^T G) = (W0^T G - G^T W0) / 2`. The best P therefore spans the leading singular
    vectors of S. S is never formed: a randomised range finder needs only `S X` for tall matrices
    X. The model runs over the batches twice, in evaluation mode, and one gradient exists at a
    time. In a distributed run every process must see the same batches.

    Args:
        model: a model with new adapters; its weights and modes are left as they are.
        batches: a few batches, which are kept in memory.
        loss: `(model, batch) -> ()`, the loss of the training.

    Raises:
        AdapterError: no adapter needs a support, one was trained already, or the loss does not
            depend on a layer.

    Source: a reconstruction after arXiv 2605.11872 (abstract). The range finder is algorithm 4.3
    of Halko, Martinsson, Tropp (2011), DOI 10.1137/090771806, with one power iteration.
    """
    sketches = [_Sketch(name, layer, adapter) for name, layer, adapter in _waiting(model)]
    if not sketches:
        rule = "no active LOFT adapter of this model needs a support"
        raise AdapterError(type(model).__name__, rule, "Attach one with support='gradient'")
    stored = list(batches)
    with _differentiable(model, sketches):
        _accumulate(model, sketches, stored, loss)
        for sketch in sketches:
            sketch.turn()
        _accumulate(model, sketches, stored, loss)
    for sketch in sketches:
        sketch.finish()


@final
class _Sketch:
    """The product of S with a tall matrix for one layer, summed over batches."""

    def __init__(self, name: str, layer: LoftLayer, adapter: str) -> None:
        self.name, self.layer, self.adapter = name, layer, adapter
        self.matrix = layer.matrix(adapter)
        self.support = layer.loft_orth_support[adapter]
        fan_in, r = self.support.basis.shape
        width = min(r + OVERSAMPLING, fan_in)
        self.vectors = torch.randn(
            fan_in, width, dtype=self.matrix.dtype, device=self.matrix.device
        )
        self.total = torch.zeros_like(self.vectors)

    def add(self, full_gradient: Tensor) -> None:
        """Add the gradient of the weight."""
        chosen = self.layer.slices[self.adapter].take(full_gradient, 0)
        gradient = chosen.flatten(1).to(self.matrix.dtype)
        # From the right: two products with tall matrices instead of one of size in x in.
        ahead = self.matrix.mT @ (gradient @ self.vectors)
        self.total += (ahead - gradient.mT @ (self.matrix @ self.vectors)) / 2

    def turn(self) -> None:
        """Continue with an orthonormal basis of the current sum."""
        if not self.total.any():
            rule = "the loss does not depend on its input"
            raise AdapterError(f"layer {self.name}", rule, "Target other layers, or check the loss")
        # S is skew, S^T = -S, so multiplying by S again is the power iteration with S^T, up to a
        # sign.
        self.vectors = torch.linalg.qr(self.total).Q
        self.total = torch.zeros_like(self.vectors)

    def finish(self) -> None:
        """Write the leading left singular vectors into the adapter."""
        u, _, _ = torch.linalg.svd(self.total, full_matrices=False)
        self.support.fill(u[:, : self.support.basis.shape[1]])


def _waiting(model: nn.Module) -> Iterator[tuple[str, LoftLayer, str]]:
    for name, layer in model.named_modules():
        for adapter in layer.acting() if isinstance(layer, LoftLayer) else ():
            if layer.loft_orth_support[adapter].known:
                continue
            if layer.loft_orth_Q[adapter].any():
                rule = "its Q is not zero, so that another support would change the model"
                remedy = "Calibrate a new adapter"
                raise AdapterError(f"adapter {adapter!r} on {name}", rule, remedy)
            yield name, layer, adapter


def _accumulate(
    model: nn.Module,
    sketches: Sequence[_Sketch],
    batches: Sequence[Batch],
    loss: Callable[[nn.Module, Batch], Tensor],
) -> None:
    by_weight: dict[nn.Parameter, list[_Sketch]] = {}
    for sketch in sketches:  # several adapters may share a layer
        by_weight.setdefault(sketch.layer.base_layer.weight, []).append(sketch)
    hooks = [
        weight.register_post_accumulate_grad_hook(partial(_take, members))
        for weight, members in by_weight.items()
    ]
    try:
        for batch in batches:
            loss(model, batch).backward(inputs=list(by_weight))
    finally:
        for hook in hooks:
            hook.remove()


def _take(sketches: Sequence[_Sketch], weight: Tensor) -> None:
    """Give a gradient to the sketches, then delete it."""
    assert weight.grad is not None
    for sketch in sketches:
        sketch.add(weight.grad)
    weight.grad = None


@contextmanager
def _differentiable(model: nn.Module, sketches: Sequence[_Sketch]) -> Iterator[None]:
    """Switch to evaluation mode, with gradients of the base weights that are calibrated."""
    weights = [sketch.layer.base_layer.weight for sketch in sketches]
    flags = [weight.requires_grad for weight in weights]
    for weight in weights:
        weight.requires_grad_(True)
    try:
        with evaluating(model), torch.enable_grad():
            yield
    finally:
        for weight, flag in zip(weights, flags, strict=True):
            weight.requires_grad_(flag)
            weight.grad = None
