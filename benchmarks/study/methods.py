"""What trains in each method, in the tail of the encoder or in the last blocks of SmolLM2."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from peft import PeftModel, get_peft_config
from torch import nn

import scionwood_methods.peft  # noqa: F401  it registers the methods
from scionwood import AdapterError, attach, kernels, parameter_groups, save_adapter

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
        options = {**method["adapter"], "target_modules": LAYERS[kind]}
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


def last(tail: nn.Module, kind: str) -> nn.Module:
    """Return the last block."""
    blocks = tail.get_submodule("blocks" if kind == "images" else "layers")
    return list(blocks.children())[-1]


def groups(model: nn.Module, lr: float) -> list[dict[str, Any]]:
    """Return the parameter groups that a method asks for, each with its rate."""
    return [{"lr": lr, **group} for group in parameter_groups(model, lr, 0.0)]


def stored(model: nn.Module) -> int:
    """Return the bytes of the file of an adapter; without one, of the trained parameters."""
    if not isinstance(model, PeftModel):
        return sum(p.numel() * p.element_size() for p in model.parameters() if p.requires_grad)
    with tempfile.TemporaryDirectory() as folder:
        save_adapter(model, Path(folder))
        return (Path(folder) / "adapter_model.safetensors").stat().st_size
