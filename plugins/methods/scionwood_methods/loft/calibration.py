"""Find the supports of LOFT from the gradients of a few batches, before training."""

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

Batch = TypeVar("Batch")

OVERSAMPLING = 8
"""Directions that are tried beyond r, which makes the range finder accurate."""


def calibrate(
    model: nn.Module, batches: Iterable[Batch], loss: Callable[[nn.Module, Batch], Tensor]
) -> None:
    """Give every active LOFT adapter with `support="gradient"` its support.

    To first order a small rotation inside P changes the loss by `<S, P Q P^T>` with
    `S = Skew(W0^T G) = (W0^T G - G^T W0) / 2`, so that the best P spans the leading singular
    vectors of S. S is never formed: a randomised range finder takes `S X` for tall matrices X. The
    model runs twice over the batches, in eval mode; of the gradients one exists at a time. In a
    distributed run every process must see the same batches.

    Args:
        model: with fresh adapters; its weights and modes are left as they are.
        batches: a few, which are kept in memory.
        loss: `(model, batch) -> ()`, as in training.

    Raises:
        AdapterError: no adapter waits for a support, one was trained already, or the loss does not
            depend on a layer.

    Source: reconstruction after arXiv 2605.11872 (abstract); the range finder is algorithm 4.3 of
    Halko, Martinsson, Tropp (2011), DOI 10.1137/090771806, with one step of iteration.
    """
    sketches = [_Sketch(name, layer, adapter) for name, layer, adapter in _waiting(model)]
    if not sketches:
        rule = "no active LOFT adapter in it waits for a support"
        raise AdapterError(type(model).__name__, rule, "Attach one with support='gradient'")
    kept = list(batches)
    with _differentiable(model, sketches):
        _accumulate(model, sketches, kept, loss)
        for sketch in sketches:
            sketch.turn()
        _accumulate(model, sketches, kept, loss)
    for sketch in sketches:
        sketch.finish()


@final
class _Sketch:
    """S times a tall matrix, summed over batches, for one layer."""

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

    def add(self, whole: Tensor) -> None:
        """Take the gradient of the weight."""
        chosen = self.layer.slices[self.adapter].take(whole, 0)
        gradient = chosen.flatten(1).to(self.matrix.dtype)
        ahead = self.matrix.mT @ (gradient @ self.vectors)
        self.total += (ahead - gradient.mT @ (self.matrix @ self.vectors)) / 2

    def turn(self) -> None:
        """Go on with an orthonormal basis of what was found."""
        if not self.total.any():
            rule = "the loss does not depend on its input"
            raise AdapterError(f"layer {self.name}", rule, "Target other layers, or check the loss")
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
                raise AdapterError(f"adapter {adapter!r} on {name}", rule, "Calibrate fresh ones")
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
            loss(model, batch).backward(inputs=list(by_weight))  # type: ignore[no-untyped-call]
    finally:
        for hook in hooks:
            hook.remove()


def _take(sketches: Sequence[_Sketch], weight: Tensor) -> None:
    """Let the sketches see a gradient, and drop it."""
    assert weight.grad is not None
    for sketch in sketches:
        sketch.add(weight.grad)
    weight.grad = None


@contextmanager
def _differentiable(model: nn.Module, sketches: Sequence[_Sketch]) -> Iterator[None]:
    """Eval mode, and gradients of the base weights that are calibrated for."""
    modes = [(module, module.training) for module in model.modules()]
    weights = [sketch.layer.base_layer.weight for sketch in sketches]
    flags = [weight.requires_grad for weight in weights]
    model.eval()
    for weight in weights:
        weight.requires_grad_(True)
    try:
        with torch.enable_grad():
            yield
    finally:
        for weight, flag in zip(weights, flags, strict=True):
            weight.requires_grad_(flag)
            weight.grad = None
        for module, training in modes:
            module.training = training
