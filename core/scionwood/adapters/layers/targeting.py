"""Which modules `all-linear` and the name of an output projection mean for these layers."""

from __future__ import annotations

import torch.nn as nn
from peft import PeftConfig
from torch.nn.parameter import is_lazy

from scionwood.adapters.head import backbone
from scionwood.adapters.layers.attention import whole_attention
from scionwood.adapters.layers.tuners import is_graph_linear
from scionwood.adapters.patterns import literal
from scionwood.adapters.targets import module_names, pin, settle
from scionwood.errors import AdapterError

ALL = "all-linear"


def settle_layers(model: nn.Module, config: PeftConfig, targets: str | None) -> list[str]:
    """Resolve the targets of a config; see `targets.settle`.

    In addition, `all-linear` includes the linear layers of torch_geometric, and the output
    projection of an attention stands for the attention.

    Raises:
        AdapterError: As `settle`, or the method has no form for an attention. Or a parameter has no
            shape yet.
    """
    base = backbone(model)
    for name, value in base.named_parameters():
        if is_lazy(value):
            rule = "its shape is not known yet"
            raise AdapterError(f"parameter {name}", rule, "Run the model once first")
    graph = {name for name, module in base.named_modules() if is_graph_linear(module)}
    if graph and ALL in (targets, config.target_modules if targets is None else None):
        named = [(name, base.get_submodule(name)) for name in module_names(model)]
        chosen = [n for n, module in named if n in graph or isinstance(module, nn.Linear)]
        targets = literal(chosen)
    names = settle(model, config, targets)
    whole = whole_attention(model, config, names)
    if whole != names:
        config.target_modules = literal(whole)
        pin(config, whole, model)
    return whole
