"""Mixtures of experts of transformers, whose targets peft translates.

Since transformers 5 the experts of a mixture are stacked parameters and its router is no linear
layer. peft translates the older names, and `all-linear`, whenever it builds a LoRA. It does so with
a pattern, too, and keeps the last word of each name, so that an adapter of one layer would become
one of all layers. Here the words of the user are translated once, in `attach`. peft then gets names
that it leaves alone.
"""

from __future__ import annotations

import copy
from typing import Any

import torch.nn as nn
from peft import LoraConfig, PeftConfig

from scionwood.adapters.head import backbone

FIELDS: dict[str, Any] = {
    "target_modules": set,
    "target_parameters": set,
    "rank_pattern": dict,
    "alpha_pattern": dict,
}
"""The options that peft translates, and what an empty one is."""

UNFIT = ("lora_dropout", "use_dora", "lora_bias", "fan_in_fan_out", "velora_config", "kasa_config")
"""Options with which peft refuses to adapt a parameter."""


def is_translated(model: nn.Module, config: PeftConfig) -> bool:
    """Return whether peft translates the targets of a method in this model."""
    base = backbone(model)
    if config.peft_type.value != "LORA" or not hasattr(getattr(base, "config", None), "model_type"):
        return False
    word = LoraConfig(target_modules=["gate"])  # a router has this name in all of these models
    _of_peft()(word, base, None)
    return bool(word.target_parameters)


def translate(model: nn.Module, config: PeftConfig) -> None:
    """Replace names of an older transformers, and `all-linear`, as plain peft does.

    peft raises a ValueError if the targets name one of two weights that are stacked now.
    """
    _of_peft()(config, backbone(model), None)


def stays(model: nn.Module, config: PeftConfig) -> bool:
    """Return whether peft alone would read the targets of a config as they are."""
    if not is_translated(model, config):
        return True
    again = copy.deepcopy(config)
    try:
        translate(model, again)
    except ValueError:
        return False
    return _fields(again) == _fields(config)


def unfit(config: PeftConfig) -> str:
    """Return the option with which peft refuses to adapt experts and routers, or an empty text."""
    return next((option for option in UNFIT if getattr(config, option, None)), "")


def hide(config: PeftConfig) -> dict[str, Any]:
    """Empty the targets of a config, so that peft finds nothing to translate, and return them."""
    targets = {option: getattr(config, option) for option in FIELDS}
    vars(config).update({option: empty() for option, empty in FIELDS.items()})
    return targets


def parameter_names(model: nn.Module, config: PeftConfig) -> list[str]:
    """Return the names of the parameters that `target_parameters` of a config selects."""
    targets = tuple(getattr(config, "target_parameters", None) or ())
    names = [name.replace(".base_layer", "") for name, _ in backbone(model).named_parameters()]
    ends = tuple(f".{name}" for name in targets)
    return [name for name in names if name in targets or name.endswith(ends or "\0")]


def _fields(config: PeftConfig) -> list[Any]:
    values = [(getattr(config, option), empty) for option, empty in FIELDS.items()]
    return [value if isinstance(value, str) else empty(value or ()) for value, empty in values]


def _of_peft() -> Any:
    # Imported late: it loads the models of transformers.
    from peft.utils.transformers_weight_conversion import convert_peft_config_for_transformers

    return convert_peft_config_for_transformers
