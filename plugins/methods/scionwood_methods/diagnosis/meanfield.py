"""Mean-field quantities of forgetting: how an adapter changes the value-output map of each head."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn as nn
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor

from scionwood import AdapterError
from scionwood_methods.shared.attention import Attention, attentions

PROJECTIONS = 64
"""The number of random directions of the sliced Wasserstein distance."""


class HeadShift(NamedTuple):
    """How an adapter changes the leading direction of one head; see `head_shift`."""

    gap: float
    a: float
    b: float
    e: float
    size: float

    @property
    def margin(self) -> float:
        """`gap + a - 2 |b| - |E|`; if it is positive, clusters of tokens persist."""
        return self.gap + self.a - 2 * self.b - self.e


class LayerDrift(NamedTuple):
    """How far the tokens after one block move if the adapter is switched on.

    Attributes:
        direction: 1 - cosine of the mean tokens, averaged over samples.
        wasserstein: the sliced 2-Wasserstein distance of all tokens on the unit sphere.
    """

    direction: float
    wasserstein: float


class Diagnosis(NamedTuple):
    """The quantities of a model, by attention block.

    Attributes:
        shifts: for each block, one entry for each head.
        drifts: one entry for each block.
    """

    shifts: list[list[HeadShift]]
    drifts: list[LayerDrift]


def diagnose_model(model: PeftModel) -> Diagnosis:
    """Return the quantities of each attention block, with the example input of the backbone.

    Args:
        model: a backbone with an active adapter, in evaluation mode.

    Raises:
        AdapterError: the model has no attention of a known kind, or no map to compare.
    """
    shifts = [head_shifts(block) for block in attentions(model)]
    base: Any = model.get_base_model()
    return Diagnosis(shifts, drift_by_depth(model, base.example_input()))


def head_shifts(attention: Attention) -> list[HeadShift]:
    """Return the quantities of each head of an attention block with its active adapters.

    Raises:
        AdapterError: an adapter's change depends on the input, so that there is no map to compare.
    """
    value, moved_value = (_values(attention, w) for w in _weights(attention.value))
    output, moved_output = _weights(attention.output)
    width = output.shape[1] // attention.heads
    shared = attention.heads // attention.key_heads
    shifts = []
    for head in range(attention.heads):
        rows = slice(head // shared * width, (head // shared + 1) * width)
        columns = slice(head * width, (head + 1) * width)
        shifts.append(
            head_shift(
                (output[:, columns], value[rows]), (moved_output[:, columns], moved_value[rows])
            )
        )
    return shifts


def head_shift(base: tuple[Tensor, Tensor], adapted: tuple[Tensor, Tensor]) -> HeadShift:
    """Compare the map `V = W_O W_V` of a head with the adapted map.

    The theory assumes a symmetric V, so this function uses the symmetric part. Let u be its leading
    eigenvector and D the change. Then `gap = lambda_1 - lambda_2` and `a = u^T D u`; `b` is the
    norm of the part of D u orthogonal to u; `e` is the operator norm of D on the complement of u.
    The computation is exact; it runs in the span of the factors.

    Args:
        base: W_O (d, h) and W_V (h, d).
        adapted: the same matrices with the adapter.

    Returns:
        The quantities; `size` is the operator norm of the change of V itself.

    Source: arXiv 2402.15415v2, proposition 3.3, as read in notes of it.
    """
    factors = [f.double() for f in (*base, *adapted)]
    # Both symmetric maps vanish outside these 4 h directions. That of the base has rank 2 h at
    # most, so a zero eigenvalue of the rest of the space is found in here as well.
    span = torch.cat([factors[0], factors[1].T, factors[2], factors[3].T], 1)
    z = torch.linalg.qr(span)[0]
    before, after = ((z.T @ o) @ (v @ z) for o, v in (factors[:2], factors[2:]))
    values, vectors = torch.linalg.eigh((before + before.T) / 2)
    change = after - before
    symmetric = (change + change.T) / 2
    u = vectors[:, -1]
    a = u @ symmetric @ u
    complement = torch.eye(len(u), dtype=u.dtype, device=u.device) - torch.outer(u, u)
    return HeadShift(
        gap=float(values[-1] - values[-2]),
        a=float(a),
        b=float((symmetric @ u - a * u).norm()),
        e=float(torch.linalg.matrix_norm(complement @ symmetric @ complement, 2)),
        size=float(torch.linalg.matrix_norm(change, 2)),
    )


@torch.no_grad()
def drift_by_depth(model: PeftModel, example: tuple[Tensor, ...]) -> list[LayerDrift]:
    """Return how far the tokens after each attention block move if the adapter is switched on.

    Args:
        model: a model in evaluation mode.
        example: an input of the model.

    Returns:
        One entry for each of `attentions`; the random directions are the same in every call.
    """
    blocks = [attention.name.rpartition(".")[0] for attention in attentions(model)]
    with _outputs(model, blocks) as adapted:
        model(*example)
    with _outputs(model, blocks) as base, model.disable_adapter():
        model(*example)
    return [cloud_drift(base[name], adapted[name]) for name in blocks]


def cloud_drift(base: Tensor, adapted: Tensor) -> LayerDrift:
    """Compare two clouds of tokens.

    Args:
        base: (batch, token, d) without the adapter.
        adapted: the same tokens with the adapter.
    """
    left, right = (cloud.double().mean(1) for cloud in (base, adapted))
    direction = 1 - torch.cosine_similarity(left, right, dim=-1).mean()
    # On the CPU, because a CUDA generator would draw other directions.
    generator = torch.Generator().manual_seed(0)
    width = base.shape[-1]
    axes = torch.randn(width, PROJECTIONS, generator=generator, dtype=torch.float64)
    axes = nn.functional.normalize(axes, dim=0).to(base.device)
    sides = [
        # On a line the best transport of equally many points pairs them in order. Tokens are points
        # on the unit sphere in the theory.
        (nn.functional.normalize(c.double().flatten(0, 1), dim=-1) @ axes).sort(0).values
        for c in (base, adapted)
    ]
    distance = (sides[0] - sides[1]).square().mean().sqrt()
    return LayerDrift(float(direction), float(distance))


@contextmanager
def _outputs(model: nn.Module, names: list[str]) -> Iterator[dict[str, Tensor]]:
    outputs: dict[str, Tensor] = {}
    hooks = [
        model.get_submodule(name).register_forward_hook(partial(_keep, outputs, name))
        for name in names
    ]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()


def _keep(outputs: dict[str, Tensor], name: str, module: nn.Module, args: Any, out: Any) -> None:
    tokens = out[0] if isinstance(out, tuple) else out
    outputs[name] = tokens.flatten(1, -2).detach()


def _weights(layer: Any) -> tuple[Tensor, Tensor]:
    """Return the weight without and with the active adapters, detached."""
    if not isinstance(layer, BaseTunerLayer):
        return layer.weight.detach(), layer.weight.detach()
    base = layer.get_base_layer().weight.detach()
    total = base
    for name in layer.active_adapters:
        if name in layer._all_available_adapter_names():
            total = total + _delta(layer, name)
    return base, total


def _delta(layer: Any, name: str) -> Tensor:
    get_delta = getattr(layer, "get_delta_weight", None)
    try:
        if get_delta is None:
            raise NotImplementedError("it has no get_delta_weight")
        change: Tensor = get_delta(name).detach()
    except NotImplementedError as error:
        rule = f"its change of the weight is not known ({error})"
        raise AdapterError(f"adapter {name!r}", rule, "Diagnose methods such as lora") from error
    return change


def _values(attention: Attention, weight: Tensor) -> Tensor:
    """Return the rows of the values; a fused layer has q, k and v in equal parts."""
    return weight.chunk(3)[2] if attention.fused else weight
