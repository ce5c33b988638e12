"""What the gates of text bridges do, for bridge.py."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from scionwood_audio.adapters.text_bridge import Bridge, bridges


@final
class Gate(NamedTuple):
    """What a gate did in one forward pass.

    Attributes:
        side: the tower that receives.
        gate: (batch, second, width of the bridge), 0 to 1.
        rows: (batch, second, row + 1), the weights of the rows of text, and of no row.
    """

    side: str
    gate: Tensor
    rows: Tensor


@contextmanager
def watched(model: nn.Module) -> Iterator[list[Gate]]:
    """Collect what the gates do in the forward passes of the block, gradients included."""
    gates: list[Gate] = []
    pairs = [(side, bridge) for side, bridge in bridges(model) if bridge.gated]
    hooks = [hook for side, bridge in pairs for hook in _hooks(side, bridge, gates)]
    try:
        yield gates
    finally:
        for hook in hooks:
            hook.remove()


def _hooks(side: str, bridge: Bridge, gates: list[Gate]) -> list[torch.utils.hooks.RemovableHandle]:
    outputs: dict[str, Tensor] = {}

    def at_gate(output: Tensor) -> None:
        weights = bridge.attention(outputs["query"], outputs["key"])
        none = (1 - weights.sum(-1, keepdim=True)).clamp_min(0)
        gates.append(Gate(side, output.sigmoid(), torch.cat([weights, none], -1)))

    return [
        bridge.query.register_forward_hook(lambda _, __, output: outputs.update(query=output)),
        bridge.key.register_forward_hook(lambda _, __, output: outputs.update(key=output)),
        bridge.gate.register_forward_hook(lambda _, __, output: at_gate(output)),
    ]


def information(gate: Gate) -> Tensor:
    """Return the information that a second has about the row it asks for, H(mean) - mean H, nats.

    Entropy alone would make all seconds ask alike.
    """
    rows = gate.rows.flatten(0, 1).clamp_min(1e-9)
    within, mean = -(rows * rows.log()).sum(-1).mean(), rows.mean(0)
    return -(mean * mean.log()).sum() - within


def spread(gates: list[Gate]) -> float:
    """Return the standard deviation of gates over seconds, the mean over channels."""
    values = torch.cat([gate.gate.flatten(0, 1) for gate in gates]).float()
    return round(float(values.std(0).mean()), 4)


def one_row(gates: list[Gate]) -> float:
    """Return the share of seconds, in percent, that ask most for the most popular row."""
    chosen = torch.cat([gate.rows.flatten(0, 1) for gate in gates]).argmax(-1)
    return round(100 * float(torch.bincount(chosen).max() / len(chosen)), 1)
