"""Rows of the methods of the plugin `methods`, in the form of peft's own parametrisation."""

from __future__ import annotations

from typing import Any

from scionwood_methods.peft import (
    DiselConfig,
    GpartConfig,
    HeadSliceConfig,
    HelloraConfig,
    IgspConfig,
    LoftConfig,
    PartialConfig,
    PemlConfig,
    SmoaConfig,
)

OPTIONS: dict[type, dict[str, Any]] = {
    DiselConfig: {"r": 4},
    SmoaConfig: {"r": 4},
    GpartConfig: {"d": 16},
    LoftConfig: {"r": 2},
    PartialConfig: {},
    HeadSliceConfig: {},
    HelloraConfig: {"r": 4},
    PemlConfig: {"r": 4},
    IgspConfig: {"r": 4, "experts": 2},
}
METHODS = list(OPTIONS)
CONVOLUTIONS = (DiselConfig, SmoaConfig, GpartConfig, LoftConfig, PartialConfig, IgspConfig)
MODELS: list[tuple[str, list[str]]] = [("MLP", ["lin0"]), ("MLP", ["lin0", "lin1"])]
CONV_MODELS: list[tuple[str, list[str]]] = [("Conv2d", ["conv2d"]), ("Conv2d", ["conv2d", "lin0"])]
UNMERGEABLE = (DiselConfig, IgspConfig)  # their change depends on the input

ROWS_OF_METHODS = [
    (f"{model} {'+'.join(targets)}", model, config, {"target_modules": targets, **options})
    for config, options in OPTIONS.items()
    for model, targets in MODELS + (CONV_MODELS if config in CONVOLUTIONS else [])
]
MULTIPLE = [
    (
        f"{config.__name__} {case}",
        "methods",
        config,
        {"target_modules": ["lin0"], **options},
        {"target_modules": [second], **options},
    )
    for config, options in OPTIONS.items()
    for case, second in (("same", "lin0"), ("different", "lin1"))
]
