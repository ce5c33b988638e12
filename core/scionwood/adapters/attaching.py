"""Put an adapter on any `nn.Module` through peft, and refuse what peft would take silently."""

from __future__ import annotations

import warnings
from typing import Any

import torch
import torch.nn as nn
from peft import PeftConfig, PeftModel, get_peft_model
from peft.tuners.tuners_utils import BaseTunerLayer

from scionwood.adapters.head import backbone, train_head
from scionwood.adapters.identity import ATTRIBUTE, remembered_hash
from scionwood.adapters.methods import LANGUAGE_ONLY, is_tuner
from scionwood.adapters.modules import restored_on_error
from scionwood.adapters.probe import check_alive
from scionwood.adapters.targets import settle
from scionwood.errors import AdapterError

REWRITES = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""Values of `init_lora_weights` that subtract the adapter from the base's weights."""


def attach(
    model: nn.Module,
    config: PeftConfig,
    *,
    targets: str | None = None,
    example: tuple[torch.Tensor, ...] | None = None,
    name: str = "default",
) -> PeftModel:
    """Freeze a model and put an adapter on it; adapter and head train, nothing else.

    The model is changed in place. Where this raises, it is as it was before.

    Args:
        model: the backbone, or a model with adapters to which another is added.
        config: of the method; its targets are replaced by the explicit names of the modules.
        targets: a preset of `model.adapter_targets`, a pattern over whole module names, or
            `all-linear`; None for the config's own targets, or else the first preset.
        example: a small input for `forward`; where None, `model.example_input()` if there is one.
            It is run once to find wrapped layers that the model never calls.
        name: of the adapter, for `compose` and for several adapters side by side.

    Raises:
        AdapterError: nothing matches, a layer's type is not supported, a wrapped layer is dead (its
            weight is used without it), or the method would change the base.
    """
    check_frozen_base(config)
    names = settle(model, config, targets)
    own = remembered_hash(model)
    with restored_on_error(model):
        tuned = wrap(model, config, name, names)
        object.__setattr__(tuned, ATTRIBUTE, own)
        train_head(tuned)
        check_alive(tuned, name, example)
    return tuned


def check_frozen_base(config: PeftConfig) -> None:
    """Refuse the options with which peft changes the base itself.

    Raises:
        AdapterError: naming the option.
    """
    bias = getattr(config, "bias", "none") or "none"
    if bias != "none":
        raise AdapterError(
            f"bias={bias!r}",
            "it trains biases of the base, which stays frozen",
            "Use bias='none', or the method beft, whose biases are the adapter's own",
        )
    init = getattr(config, "init_lora_weights", True)
    if isinstance(init, str) and init.lower().startswith(REWRITES):
        raise AdapterError(
            f"init_lora_weights={init!r}",
            "it rewrites the base's weights, so that the adapter fits no other copy of them",
            "Use True, 'gaussian', 'orthogonal' or 'mica'",
        )
    for option in ("layer_replication", "kasa_config"):
        if getattr(config, option, None):
            raise AdapterError(
                option, "it changes the base itself, which stays frozen", "Leave it out"
            )


def wrap(model: nn.Module, config: PeftConfig, name: str, names: list[str]) -> PeftModel:
    """Let peft wrap the layers; its errors become ones that name the layer.

    Raises:
        AdapterError: with peft's own error behind it.
    """
    method = config.peft_type.value.lower()
    if not is_tuner(config.peft_type.value) or method in LANGUAGE_ONLY:
        _check_language_model(model, method)
    try:
        with warnings.catch_warnings():
            # since 0.21 peft finds an adapter's tensors by structure, whatever letters it has
            warnings.filterwarnings("ignore", "Adapter name .* should not be contained")
            # peft asks transformers by the name that this one is giving up
            warnings.filterwarnings("ignore", ".is_gradient_checkpointing. is deprecated")
            return _peft(model, config, name)
    except Exception as error:  # peft raises of every kind; what it says is kept
        raise AdapterError(
            f"{method} on {_culprit(model, names)}",
            f"peft refuses it: {_first_line(error)}",
            "Target other layers, or change the method's options",
        ) from error


def _peft(model: nn.Module, config: PeftConfig, name: str) -> PeftModel:
    if not isinstance(model, PeftModel):
        return get_peft_model(model, config, adapter_name=name)
    model.add_adapter(name, config)
    model.set_adapter(name, inference_mode=config.inference_mode)
    return model


def _culprit(model: nn.Module, names: list[str]) -> str:
    """The first module that should have been wrapped and was not."""
    for name in names:
        module: Any = backbone(model).get_submodule(name)
        if not isinstance(module, BaseTunerLayer):
            return f"{name} ({type(module).__name__})"
    return type(model).__name__


def _check_language_model(model: nn.Module, method: str) -> None:
    inner = backbone(model)
    if not hasattr(getattr(inner, "config", None), "model_type"):
        raise AdapterError(
            f"method {method!r} on {type(inner).__name__}",
            "it needs a language model of transformers",
            "Use a method that wraps layers, such as lora",
        )


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"
