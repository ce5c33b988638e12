"""What trains in each method, in the tail of the encoder or in the last blocks of SmolLM2."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from peft import PeftModel, get_peft_config
from torch import Tensor, nn

import scionwood_methods.peft  # noqa: F401  it registers the methods
from scionwood import AdapterError, attach, kernels, parameter_groups
from scionwood_methods.diagnosis.meanfield import diagnose_model
from scionwood_methods.p2d_heads.scores import head_targets, score_heads, select_heads
from scionwood_methods.peml.search import discretise, search

Step = Callable[[Tensor], Tensor]


def timed(
    loss: Step, groups: list[dict[str, Any]], n: int, settings: dict[str, Any], seed: int
) -> int:
    """Train with AdamW: a warm-up, then half a cosine, by the share of the CPU time that is used.

    Args:
        loss: the loss of the examples with these places, (batch,) int64.
        groups: parameter groups, each with its `lr`.
        n: training examples.
        settings: `seconds`, `batch`, `warm` and `clip` as registered.
        seed: of the order of examples.

    Returns:
        The number of steps.
    """
    optimizer = torch.optim.AdamW(groups, weight_decay=0.0)
    tops = [group["lr"] for group in optimizer.param_groups]
    trained = [p for group in optimizer.param_groups for p in group["params"]]
    spent, steps = 0.0, 0
    for places in batches(n, settings["batch"], seed):
        start = time.process_time()
        scale = share(spent / settings["seconds"], settings["warm"])
        for group, top in zip(optimizer.param_groups, tops, strict=True):
            group["lr"] = top * scale
        loss(places).backward()
        nn.utils.clip_grad_norm_(trained, settings["clip"])
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        steps += 1
        spent += time.process_time() - start
        if spent >= settings["seconds"]:
            break
    return steps


def share(part: float, warm: float) -> float:
    """Return the share of the highest rate when a part of the time is over."""
    if part < warm:
        return (part + 0.02) / (warm + 0.02)
    return (1 + math.cos(math.pi * min(1.0, (part - warm) / (1 - warm)))) / 2


def batches(n: int, size: int, seed: int) -> Iterator[Tensor]:
    """Yield places of examples without end; every example comes once before one comes again."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.zeros(0, dtype=torch.long)
    while True:
        while len(order) < min(size, n):
            order = torch.cat([order, torch.randperm(n, generator=generator)])
        yield order[:size]
        order = order[size:]


LAYERS = {
    "images": r"blocks\.\d+\.(attn\.(qkv|proj)|mlp\.fc[12])",
    "text": r"layers\.\d+\.(self_attn\.[qkvo]_proj|mlp\.(gate|up|down)_proj)",
}
SECOND = {"images": r"blocks\.\d+\.mlp\.fc2", "text": r"layers\.\d+\.mlp\.down_proj"}
"""Layers whose input IA3 scales, as its authors do for the second layer of an MLP."""


def prepare(tail: nn.Module, method: Mapping[str, Any], kind: str) -> nn.Module:
    """Return the tail with what the method trains; all else is frozen."""
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
    blocks = tail.get_submodule("blocks" if kind == "images" else "layers")
    return list(blocks.children())[-1]


def groups(model: nn.Module, lr: float) -> list[dict[str, Any]]:
    """Return the parameter groups that a method asks for, each with its rate."""
    return [{"lr": lr, **group} for group in parameter_groups(model, lr, 0.0)]


def diagnosed(model: nn.Module) -> dict[str, float]:
    """Return the mean-field diagnosis of an adapter; nothing if there is no map to compare."""
    if not isinstance(model, PeftModel):
        return {}
    try:
        diagnosis = diagnose_model(model)
    except AdapterError:
        return {}  # the change depends on the input
    margin = min(head.margin for block in diagnosis.shifts for head in block)
    return {"margin": round(margin, 5), "drift": round(diagnosis.drifts[-1].direction, 6)}
