"""A bridge between two frozen towers, gated by text: a reconstruction of TB-AVA."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast, final

import torch
from peft import PeftConfig
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood import AdapterError
from scionwood.authoring import LayerTuner, peft_method
from scionwood_audio.model.audio_visual import Junction


@final
class Bridge(nn.Module):
    """What one tower receives from the other in each second; see `TextBridgeConfig`."""

    mean: Tensor
    spread: Tensor

    def __init__(self, width: int, other: int, text: int, config: TextBridgeConfig) -> None:
        super().__init__()
        inner, self.temperature = config.width, config.temperature
        self.gated = config.gated and text > 0
        self.down, self.receive = nn.Linear(other, inner), nn.Linear(width, inner)
        if self.gated:
            self.query = nn.Linear(inner, inner, bias=False)
            self.key = nn.Linear(text, inner, bias=False)
            self.value, self.gate = nn.Linear(text, inner), nn.Linear(inner, inner)
        self.up = nn.Linear(inner, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)
        self.register_buffer("mean", torch.zeros(other))
        self.register_buffer("spread", torch.ones(other))

    def forward(self, states: Tensor, other: Tensor, text: Tensor | None) -> Tensor:
        """Return the changed states (batch, second, n, width).

        Args:
            states: the states that receive.
            other: the mean state of the other tower in each second, (batch, second, other).
            text: (row, text) or (batch, row, text).
        """
        z = self.down((_normed(other) - self.mean) / self.spread)
        inside = F.gelu(self.receive(_normed(states)) + z[..., None, :])
        if self.gated and text is not None:
            rows = _normed(text)
            context = self.attention(self.query(z), self.key(rows)) @ self.value(rows)
            inside = torch.sigmoid(self.gate(context))[..., None, :] * inside
        return states + cast(Tensor, self.up(inside))

    def attention(self, query: Tensor, key: Tensor) -> Tensor:
        """Return the weight of each row of text in each second, (batch, second, row)."""
        if self.temperature is None:  # the equation as it is
            return (query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])).softmax(-1)
        # Cosines are bounded, and a second may ask for none of the rows.
        query, key = F.normalize(query, dim=-1), F.normalize(key, dim=-1)
        logits = query @ key.transpose(-1, -2) / self.temperature
        return F.pad(logits, (0, 1)).softmax(-1)[..., :-1]


@final
class BridgeLayer(nn.Module, BaseTunerLayer):  # type: ignore[misc]  # peft has no type hints
    """A junction of two towers, or a linear layer, with the bridges of its adapters by name."""

    adapter_layer_names = ("text_bridge_sides",)
    text_bridge_sides: Any
    base_layer: Any
    active_adapters: list[str]
    _move_adapter_to_device_of_base_layer: Callable[[str], None]

    def __init__(self, base: nn.Module) -> None:
        super().__init__()
        self.base_layer = base
        self.text_bridge_sides = nn.ModuleDict()
        self._disable_adapters, self.merged_adapters = False, list[str]()

    def update_layer(self, name: str, config: TextBridgeConfig) -> None:
        """Add the bridges of an adapter, which change nothing yet."""
        base = self.base_layer
        if isinstance(base, nn.Linear):
            sides = {"alone": Bridge(base.out_features, base.in_features, 0, config)}
        else:
            audio = Bridge(base.audio, base.vision, base.text, config)
            sides = {"audio": audio, "vision": Bridge(base.vision, base.audio, base.text, config)}
        self.text_bridge_sides[name] = nn.ModuleDict(sides)
        self._move_adapter_to_device_of_base_layer(name)

    def acting(self) -> list[Any]:
        """Return the bridges, by side, of the adapters that take part in the forward pass."""
        names = [] if self.disable_adapters else self.active_adapters
        return [self.text_bridge_sides[name] for name in names if name in self.text_bridge_sides]

    def forward(self, *inputs: Tensor) -> Any:
        """Run the layer with its active bridges; see `Junction`, or a linear layer."""
        output = self.base_layer(*inputs)
        for sides in self.acting():
            if "alone" in sides:
                output = sides["alone"](output[..., None, :], inputs[0], None).squeeze(-2)
            else:
                (audio, vision), text = output, inputs[2]
                new_audio = sides["audio"](audio, vision.mean(2), text)
                output = new_audio, sides["vision"](vision, audio.mean(2), text)
        return output

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Refuse to merge."""
        raise NotImplementedError("a text bridge depends on its inputs, and no weight equals it")

    def unmerge(self) -> None:
        """Do nothing, because a bridge is never merged."""


@final
class TextBridgeModel(LayerTuner):
    """The tuner: bridges go into the junctions of a network with two towers."""

    prefix = "text_bridge_"
    tuner_layer_cls = BridgeLayer

    def wrap(self, target: nn.Module, key: str) -> nn.Module:
        """Return the layer for a junction, or for a linear layer."""
        if not isinstance(target, Junction | nn.Linear):
            rule = "a bridge lies between two towers, in a Junction"
            remedy = "Use the backbone audio/audio_visual and its targets"
            raise AdapterError(f"text_bridge on {key} ({type(target).__name__})", rule, remedy)
        return super().wrap(target, key)


@peft_method("text_bridge", tuner=TextBridgeModel)
@final
@dataclass
class TextBridgeConfig(PeftConfig):  # type: ignore[misc]  # peft has no type hints
    """Bridges between two frozen towers in both directions, whose channels are gated by text.

    With y the mean state of the other tower in a second, z = W_d y, c = softmax(q(z) K^T) V over
    the rows of text, g = sigmoid(W_g c), and each state x of the second becomes
    x + W_u (g * gelu(W_v x + z)). W_u starts at zero, so that the adapter starts as the identity.
    The order of the rows changes nothing but rounding: a permutation is no control. Use foreign
    words, or the text of another clip. A linear layer, which has neither a second tower nor text,
    becomes W x + W_u gelu(W_v W x + W_d x).

    `audio/event` subtracts from y its mean over training clips and divides by the spread, channel
    by channel. Without, what y has in common in all seconds outweighs what differs between them,
    and all seconds ask for one row.

    Trainable parameters of a direction, with D, D' and D_t the widths of the two towers and of the
    text, and w that of the bridge: w (2 D + D' + 2 D_t + 2 w + 4) + D.

    Shapes: see `scionwood_audio.model.audio_visual.Junction`.

    Args:
        width: width w of the bridge.
        temperature: queries and keys get unit length, their product is divided by it, and a second
            may ask for no row of the text. `None` means the equation above without these.
        gated: whether text gates the bridge; without, g = 1.
        target_modules: junctions; the backbone's targets name them.
        modules_to_save: modules that peft copies and trains.

    Raises:
        AdapterError: the width is below 1, or the temperature is not above 0.

    Source: a reconstruction of TB-AVA (arXiv:2605.11572) from its abstract; its equations, places
        and sizes were not to be had. Temperature, the empty row and centring are this project's.
    """

    width: int = 48
    temperature: float | None = 0.1
    gated: bool = True
    target_modules: list[str] | str | None = None
    modules_to_save: list[str] | None = field(default=None, metadata={"help": "trained in full"})

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width < 1:
            raise AdapterError(f"width={self.width}", "it must be at least 1", "Use 48")
        if self.temperature is not None and not self.temperature > 0:
            value, rule = f"temperature={self.temperature}", "it must be above 0"
            raise AdapterError(value, rule, "Use 0.1, or null for the plain equation")


def bridges(model: nn.Module) -> list[tuple[str, Bridge]]:
    """Return the receiving side and the bridge of every active adapter in a model."""
    layers = [module for module in model.modules() if isinstance(module, BridgeLayer)]
    return [pair for layer in layers for sides in layer.acting() for pair in sides.items()]


@torch.no_grad()
def centre(model: nn.Module, audio: Tensor, vision: Tensor) -> None:
    """Set mean and spread of every bridge from the states of training clips before the junction.

    Args:
        model: a network with bridges.
        audio: (batch, second, position, width).
        vision: (batch, second, token, width).
    """
    for side, bridge in bridges(model):
        states = _normed((vision if side == "audio" else audio).mean(2)).flatten(0, 1)
        bridge.mean.copy_(states.mean(0))
        bridge.spread.copy_(states.std(0).clamp_min(1e-3))


@torch.no_grad()
def gate_spread(model: nn.Module, run: Callable[[], object]) -> dict[str, float]:
    """Return the standard deviation of the gates over seconds, the mean over channels, by side."""
    gates: dict[str, list[Tensor]] = {side: [] for side, b in bridges(model) if b.gated}
    hooks = [
        bridge.gate.register_forward_hook(
            lambda _, __, output, side=side: gates[side].append(output.sigmoid().flatten(0, 1))
        )
        for side, bridge in bridges(model)
        if bridge.gated
    ]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    return {side: float(torch.cat(g).float().std(0).mean()) for side, g in gates.items()}


def _normed(states: Tensor) -> Tensor:
    return F.layer_norm(states, states.shape[-1:])
