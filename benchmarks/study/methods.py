"""What trains in each method, in the tail of the encoder or in the last blocks of SmolLM2."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from peft import get_peft_config
from torch import Tensor, nn

import scionwood_methods.peft  # noqa: F401  it registers the methods
from scionwood import AdapterError, attach, kernels, parameter_groups
from scionwood_methods.p2d_heads.scores import head_targets, score_heads, select_heads
from scionwood_methods.peml.search import discretise, search
from study.training import timed

LAYERS = {
    "images": r"blocks\.\d+\.(attn\.(qkv|proj)|mlp\.fc[12])",
    "text": r"layers\.\d+\.(self_attn\.[qkvo]_proj|mlp\.(gate|up|down)_proj)",
}
SECOND = {"images": r"blocks\.\d+\.mlp\.fc2", "text": r"layers\.\d+\.mlp\.down_proj"}
"""Layers whose input IA3 scales, as its authors do for the second layer of an MLP."""


def prepare(tail: nn.Module, method: Mapping[str, Any], kind: str) -> nn.Module:
    """Return the tail with what the method trains; all else is frozen.

    Args:
        tail: a fresh copy.
        method: an entry of `methods` in the settings.
        kind: images or text.

    Raises:
        AdapterError: the method refuses the network.
    """
    tail.requires_grad_(False)
    if "adapter" in method:
        options = {"target_modules": LAYERS[kind], **method["adapter"]}
        if options["peft_type"] == "IA3":
            options["feedforward_modules"] = SECOND[kind]
        model = attach(tail, get_peft_config(options), head=())
        kernels.enable(model)
        return model
    parts = {"tail": tail, "last": last(tail, kind)}
    if method["trains"] not in parts:
        rule = "it trains another network than the tail"
        raise AdapterError(f"trains: {method['trains']}", rule, "Choose tail or last")
    parts[method["trains"]].requires_grad_(True)
    return tail


Loss = Callable[[nn.Module, Tensor], Tensor]
"""The loss of a model on the examples with these places."""
FIRST = 0.2
"""The share of the seconds in which a method chooses what it trains."""


def chosen(
    tail: nn.Module,
    method: Mapping[str, Any],
    loss: Loss,
    places: Iterator[Tensor],
    lr: float,
    settings: Mapping[str, Any],
) -> nn.Module:
    """Return the tail of an image task after what the method does before it trains, if anything.

    Args:
        tail: a fresh copy.
        method: an entry of `methods` in the settings.
        loss: see `Loss`.
        places: batches without end.
        lr: the rate.
        settings: `seconds` and the rest of `timed`, and the number of examples `n`.
    """
    short = {**settings, "seconds": FIRST * settings["seconds"]}
    if method.get("prepare") == "heads":
        probe = prepare(copy.deepcopy(tail), method, "images").train()
        timed(lambda batch: loss(probe, batch), groups(probe, lr), settings["n"], short, 0)
        counts = score_heads(probe, num_heads=method["adapter"]["num_heads"])
        heads = select_heads(counts, method["share"])
        options = {"heads": heads, "target_modules": head_targets(tail, heads)}
        return prepare(tail, {**method, "adapter": method["adapter"] | options}, "images")
    model = prepare(tail, method, "images").train()
    if method.get("prepare") == "search":
        start = time.process_time()
        for _ in search(model, places, places, loss, lr=lr):
            if time.process_time() - start >= short["seconds"]:
                break
        discretise(model)
    return model


def last(tail: nn.Module, kind: str) -> nn.Module:
    """Return the last block."""
    blocks = tail.get_submodule("blocks" if kind == "images" else "layers")
    return list(blocks.children())[-1]


def groups(model: nn.Module, lr: float) -> list[dict[str, Any]]:
    """Return the parameter groups that a method asks for, each with its rate."""
    return [{"lr": lr, **group} for group in parameter_groups(model, lr, 0.0)]
