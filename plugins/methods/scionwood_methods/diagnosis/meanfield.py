"""Mean-field quantities of forgetting: what an adapter does to each head's value-output map."""

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

VALUES = ("qkv", "v_proj", "value", "to_v")
OUTPUTS = ("proj", "o_proj", "out_proj")
"""Names of the layers of an attention block: values (or q, k and v in one), and the output."""
PROJECTIONS = 64


class Attention(NamedTuple):
    """An attention module: its name, heads, and the layers of values and outputs."""

    name: str
    heads: int
    fused: bool
    value: Any
    output: Any


class HeadShift(NamedTuple):
    """How an adapter moves the leading direction of one head; see `head_shift`."""

    gap: float
    a: float
    b: float
    e: float
    size: float

    @property
    def margin(self) -> float:
        """`gap + a - 2 |b| - |E|`: where it is positive, clusters of tokens persist."""
        return self.gap + self.a - 2 * self.b - self.e


class LayerDrift(NamedTuple):
    """How far the tokens behind one block move when the adapter is switched on.

    Attributes:
        direction: 1 - cosine of the mean tokens, the mean over samples.
        wasserstein: the sliced 2-Wasserstein distance of all tokens on the unit sphere.
    """

    direction: float
    wasserstein: float


def attentions(model: nn.Module) -> list[Attention]:
    """The attention modules of a model, in its order.

    Raises:
        AdapterError: none has layers of known names and a number of heads.
    """
    found = []
    for name, module in model.named_modules():
        children = dict(module.named_children())
        value = next((n for n in VALUES if n in children), None)
        output = next((n for n in OUTPUTS if n in children), None)
        heads = _heads(module)
        if value and output and heads:
            pair = children[value], children[output]
            found.append(Attention(name, heads, value == "qkv", *pair))
    if not found:
        rule = f"no attention with {' or '.join(VALUES)}, {' or '.join(OUTPUTS)} and num_heads"
        raise AdapterError(type(model).__name__, rule, "Other architectures are not diagnosed")
    return found


def head_shifts(attention: Attention) -> list[HeadShift]:
    """The quantities of each head of an attention module, by its active adapters.

    Raises:
        AdapterError: an adapter's change depends on the input, so that there is no map to compare.
    """
    value, moved_value = (_values(attention, w) for w in _weights(attention.value))
    output, moved_output = _weights(attention.output)
    width = output.shape[1] // attention.heads
    shared = attention.heads * width // value.shape[0]  # grouped queries: heads to a value head
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
    """Compare the map `V = W_O W_V` of a head with the adapted one.

    The theory takes V to be symmetric: here the symmetric part stands for it. With u its leading
    eigenvector and D the change: `gap = lambda_1 - lambda_2`, `a = u^T D u`, `b` the norm of D u
    less its part along u, `e` the operator norm of D beside u. Exact, in the span of the factors.

    Args:
        base: W_O (d, h) and W_V (h, d).
        adapted: the same with the adapter.

    Returns:
        The quantities; `size` is the operator norm of the change of V itself.

    Source: arXiv 2402.15415v2, proposition 3.3, as read in notes of it.
    """
    factors = [f.double() for f in (*base, *adapted)]
    span = torch.cat([factors[0], factors[1].T, factors[2], factors[3].T], 1)
    z = torch.linalg.qr(span)[0]
    before, after = ((z.T @ o) @ (v @ z) for o, v in (factors[:2], factors[2:]))
    values, vectors = torch.linalg.eigh((before + before.T) / 2)
    change = after - before
    symmetric = (change + change.T) / 2
    u = vectors[:, -1]
    a = u @ symmetric @ u
    beside = torch.eye(len(u), dtype=u.dtype, device=u.device) - torch.outer(u, u)
    return HeadShift(
        gap=float(values[-1] - values[-2]),
        a=float(a),
        b=float((symmetric @ u - a * u).norm()),
        e=float(torch.linalg.matrix_norm(beside @ symmetric @ beside, 2)),
        size=float(torch.linalg.matrix_norm(change, 2)),
    )


@torch.no_grad()
def drift_by_depth(model: PeftModel, example: tuple[Tensor, ...]) -> list[LayerDrift]:
    """How far the token clouds behind each attention's block move, adapter on against off.

    Args:
        model: in evaluation mode.
        example: an input of it.

    Returns:
        One entry for each of `attentions`, with directions that are the same in every call.
    """
    blocks = [each.name.rpartition(".")[0] for each in attentions(model)]
    with _outputs(model, blocks) as adapted:
        model(*example)
    with _outputs(model, blocks) as base, model.disable_adapter():
        model(*example)
    return [cloud_drift(base[name], adapted[name]) for name in blocks]


def cloud_drift(base: Tensor, adapted: Tensor) -> LayerDrift:
    """Compare two clouds of tokens.

    Args:
        base: (batch, token, d).
        adapted: the same tokens with the adapter.
    """
    left, right = (cloud.double().mean(1) for cloud in (base, adapted))
    direction = 1 - torch.cosine_similarity(left, right, dim=-1).mean()
    generator = torch.Generator().manual_seed(0)
    width = base.shape[-1]
    axes = torch.randn(width, PROJECTIONS, generator=generator, dtype=torch.float64)
    axes = nn.functional.normalize(axes, dim=0).to(base.device)
    sides = [
        (nn.functional.normalize(c.double().flatten(0, 1), dim=-1) @ axes).sort(0).values
        for c in (base, adapted)
    ]
    distance = (sides[0] - sides[1]).square().mean().sqrt()
    return LayerDrift(float(direction), float(distance))


@contextmanager
def _outputs(model: nn.Module, names: list[str]) -> Iterator[dict[str, Tensor]]:
    found: dict[str, Tensor] = {}
    hooks = [
        model.get_submodule(name).register_forward_hook(partial(_keep, found, name))
        for name in names
    ]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def _keep(found: dict[str, Tensor], name: str, module: nn.Module, args: Any, out: Any) -> None:
    tokens = out[0] if isinstance(out, tuple) else out
    found[name] = tokens.flatten(1, -2).detach()


def _heads(module: Any) -> int:
    config = getattr(module, "config", None)
    for owner, name in ((module, "num_heads"), (config, "num_attention_heads")):
        heads = getattr(owner, name, None)
        if isinstance(heads, int):
            return heads
    return 0


def _weights(layer: Any) -> tuple[Tensor, Tensor]:
    """The weight without and with the active adapters, detached."""
    if not isinstance(layer, BaseTunerLayer):
        return layer.weight.detach(), layer.weight.detach()
    base = layer.get_base_layer().weight.detach()
    total = base
    for name in layer.active_adapters:
        if name in layer._all_available_adapter_names():
            total = total + _delta(layer, name)
    return base, total


def _delta(layer: Any, name: str) -> Tensor:
    change = getattr(layer, "get_delta_weight", None)
    try:
        if change is None:
            raise NotImplementedError("it has no get_delta_weight")
        found: Tensor = change(name).detach()
    except NotImplementedError as error:
        rule = f"its change of the weight is not known ({error})"
        raise AdapterError(f"adapter {name!r}", rule, "Diagnose methods such as lora") from error
    return found


def _values(attention: Attention, weight: Tensor) -> Tensor:
    """The rows of the values; a fused layer has q, k and v in equal parts."""
    return weight.chunk(3)[2] if attention.fused else weight
