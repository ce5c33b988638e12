"""Attach a method of this plugin to any model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch.nn as nn
from peft import PeftConfig, PeftModel, get_peft_model

from scionwood import RecipeError, load
from scionwood_methods import plugin

Method = Literal[
    "disel", "smoa", "gpart", "loft", "partial", "p2d_heads", "hellora", "peml", "igsp"
]
"""The names of the adapter methods of this plugin."""


def method_config(method: Method, options: Mapping[str, Any] | None = None) -> PeftConfig:
    """Return the peft config of a method.

    Args:
        method: the name of the method, without `methods/`.
        options: the options of its config class, such as `{"r": 8, "target_modules": ["0"]}`.

    Raises:
        RecipeError: there is no such method, or it has no such option.
        AdapterError: an option has a wrong value.

    Example:
        >>> from scionwood_methods import method_config
        >>> method_config("smoa", {"r": 4, "blocks": 2, "target_modules": ["0"]}).blocks
        2
    """
    if method not in plugin.adapters:
        rule = "it is not a method of this plugin"
        raise RecipeError(f"method {method!r}", rule, f"Known: {', '.join(plugin.adapters)}")
    kind: Any = load("adapters", f"methods/{method}")
    fields = kind.__dataclass_fields__
    for key in options or {}:
        if key not in fields:
            rule = f"{kind.__name__} has no such option"
            raise RecipeError(f"method {method!r}: option {key!r}", rule, "See its documentation")
    config: PeftConfig = kind(**(options or {}))
    return config


def adapt(model: nn.Module, method: Method, options: Mapping[str, Any] | None = None) -> PeftModel:
    """Attach a new adapter to a model, which is changed in place.

    Args:
        model: any model with layers that the method supports.
        method: the name of the method, without `methods/`.
        options: see `method_config`; `target_modules` names the layers.

    Returns:
        The model with the adapter, whose output is the same as before.

    Raises:
        RecipeError: there is no such method, or it has no such option.
        AdapterError: an option has a wrong value, or a layer is not supported.

    Example:
        >>> import torch
        >>> from scionwood_methods import adapt
        >>> base = torch.nn.Sequential(torch.nn.Linear(32, 64), torch.nn.Linear(64, 8))
        >>> model = adapt(base, "disel", {"r": 4, "target_modules": ["0", "1"]})
        >>> model(torch.randn(16, 32)).shape
        torch.Size([16, 8])
    """
    model_with_adapter: PeftModel = get_peft_model(model, method_config(method, options))
    return model_with_adapter
