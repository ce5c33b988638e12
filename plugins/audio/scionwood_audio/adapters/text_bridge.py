"""A bridge between two frozen towers, gated by text: a reconstruction of TB-AVA."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, final

import torch
from peft import PeftConfig
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood import AdapterError
from scionwood.authoring import LayerTuner, peft_method
from scionwood_audio.model.junction import Junction

SIDES = ("audio", "vision")


class Gate(NamedTuple):
    """What a gate did in one forward pass.

    Attributes:
        side: the tower that receives.
        gate: (batch, second, width of the bridge), 0 to 1.
        attention: (batch, second, row), the weights of the rows of text; with a temperature the
            remaining weight lies on no row.
    """

    side: str
    gate: Tensor
    attention: Tensor


@final
class Bridge(nn.Module):
    """What one tower receives from the other in each second; see `TextBridgeConfig`.

    Args:
        width: width of the states that receive.
        other: width of the other tower.
        text: width of a row of text; 0 means that there is none, and no gate.
        config: the options.
    """

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
        self.watcher: Callable[[Tensor, Tensor], None] | None = None

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
            attention, context = self._context(z, _normed(text))
            gate = torch.sigmoid(self.gate(context))
            if self.watcher is not None:
                self.watcher(gate, attention)
            inside = gate[..., None, :] * inside
        changed: Tensor = states + self.up(inside)
        return changed

    def _context(self, z: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        query, key, value = self.query(z), self.key(rows), self.value(rows)
        if self.temperature is None:  # the equation as it is
            attention = (query @ key.mT / query.shape[-1] ** 0.5).softmax(-1)
        else:  # cosines are bounded, and a second may ask for none of the rows
            logits = F.normalize(query, dim=-1) @ F.normalize(key, dim=-1).mT / self.temperature
            attention = F.pad(logits, (0, 1)).softmax(-1)[..., :-1]
        return attention, attention @ value


@final
class BridgeLayer(nn.Module, BaseTunerLayer):  # type: ignore[misc]  # peft has no type hints
    """A junction of two towers, or a linear layer, with the bridges of its adapters by name."""

    adapter_layer_names = ("text_bridge_sides",)
    other_param_names = ("configs",)
    text_bridge_sides: Any
    base_layer: Any
    active_adapters: list[str]
    _move_adapter_to_device_of_base_layer: Callable[[str], None]

    def __init__(self, base: nn.Module) -> None:
        super().__init__()
        self.base_layer = base
        self.configs: dict[str, Any] = {}
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
        self.configs[name] = config
        self.text_bridge_sides[name] = nn.ModuleDict(sides)
        self._move_adapter_to_device_of_base_layer(name)

    def acting(self) -> list[Any]:
        """Return the bridges, by side, of the adapters that take part in the forward pass."""
        names = [] if self.disable_adapters else self.active_adapters
        return [self.text_bridge_sides[name] for name in names if name in self.configs]

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
        """Refuse to merge.

        Raises:
            NotImplementedError: always; a junction has no weight.
        """
        raise NotImplementedError("a text bridge depends on its inputs, and no weight equals it")

    def unmerge(self) -> None:
        """Do nothing, because a bridge is never merged."""


@final
class TextBridgeModel(LayerTuner):
    """The tuner: bridges go into the junctions of a network with two towers."""

    prefix = "text_bridge_"
    tuner_layer_cls = BridgeLayer

    def wrap(self, target: nn.Module, key: str) -> nn.Module:
        """Return the layer for a junction, or for a linear layer.

        Raises:
            AdapterError: the module is neither.
        """
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

    Trainable parameters of a direction, with D, D' and D_t the widths of the two towers and of the
    text, and w that of the bridge: w (2 D + D' + 2 D_t + 2 w + 4) + D.

    Shapes: see `scionwood_audio.model.junction.Junction`.

    Args:
        width: width w of the bridge.
        temperature: queries and keys get unit length, their product is divided by it, and a second
            may ask for no row of the text. `None` means the equation above without these.
        gated: whether text gates the bridge; without, g = 1.
        centred: whether the task sets mean and spread of y, channel by channel, from the training
            clips. Without, what y has in common in all seconds outweighs what differs between
            them, and all seconds ask for one row.
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
    centred: bool = True
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


@contextmanager
def watched(model: nn.Module) -> Iterator[list[Gate]]:
    """Collect what the gates do in the forward passes of the block, gradients included."""
    gates: list[Gate] = []
    pairs = bridges(model)
    try:
        for side, bridge in pairs:
            bridge.watcher = lambda g, a, side=side: gates.append(Gate(side, g, a))
        yield gates
    finally:
        for _, bridge in pairs:
            bridge.watcher = None


@torch.no_grad()
def centre(model: nn.Module, audio: Tensor, vision: Tensor) -> None:
    """Set mean and spread of every centred bridge from training clips before the first junction.

    Args:
        model: a network with bridges.
        audio: (batch, second, position, width).
        vision: (batch, second, token, width).
    """
    layers = [module for module in model.modules() if isinstance(module, BridgeLayer)]
    for layer in (one for one in layers if isinstance(one.base_layer, Junction)):
        centred = [name for name, config in layer.configs.items() if config.centred]
        for side, other in zip(SIDES, (vision, audio), strict=True):
            states = _normed(other.mean(2)).flatten(0, 1)
            for bridge in (layer.text_bridge_sides[name][side] for name in centred):
                bridge.mean.copy_(states.mean(0))
                bridge.spread.copy_(states.std(0).clamp_min(1e-3))


def gate_spread(gates: list[Gate]) -> dict[str, float]:
    """Return the standard deviation of the gates over seconds, the mean over channels, by side."""
    values = {side: [g.gate.flatten(0, 1) for g in gates if g.side == side] for side in SIDES}
    return {s: float(torch.cat(v).detach().float().std(0).mean()) for s, v in values.items() if v}


def information(gate: Gate) -> Tensor:
    """Return the information that a second has about the row that it asks for, in nats.

    The weight that lies on no row counts as a row.
    """
    remainder = (1 - gate.attention.sum(-1, keepdim=True)).clamp_min(0)
    rows = torch.cat([gate.attention, remainder], -1).flatten(0, 1).clamp_min(1e-9)
    within, mean = -(rows * rows.log()).sum(-1).mean(), rows.mean(0)
    return -(mean * mean.log()).sum() - within


def _normed(states: Tensor) -> Tensor:
    return F.layer_norm(states, states.shape[-1:])
