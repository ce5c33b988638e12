"""Put an adapter on any `nn.Module` through peft, and refuse what peft would accept silently."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn as nn
from peft import PeftConfig, PeftModel, get_peft_model
from peft.tuners.tuners_utils import BaseTunerLayer

from scionwood.adapters.fresh import FrozenHeadWarning, fresh_head
from scionwood.adapters.head import backbone, keep_statistics, train_head
from scionwood.adapters.identity import ATTRIBUTE, remember_buffers, remembered_identity
from scionwood.adapters.layers.tuners import science_layers
from scionwood.adapters.methods import LANGUAGE_ONLY, is_tuner
from scionwood.adapters.modules import declared_head, restored_on_error
from scionwood.adapters.probe import (
    DEAD,
    DeadTargetsError,
    LeftOutWarning,
    check_alive,
    example_of,
    message,
)
from scionwood.adapters.sharing import settle_ties
from scionwood.adapters.targets import narrow, settle_layers
from scionwood.errors import AdapterError

REWRITES = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""Values of `init_lora_weights` with which peft subtracts the adapter from the base weights."""


def attach(
    model: nn.Module,
    config: PeftConfig,
    *,
    targets: str | None = None,
    head: Sequence[str] | None = None,
    example: tuple[torch.Tensor, ...] | None = None,
    name: str = "default",
    untie: bool = False,
) -> PeftModel:
    """Freeze a model and put an adapter on it, so that only the adapter and the head train.

    The function changes the model in place. If it raises an error, it restores the model first.

    Args:
        model: The backbone, or a model with adapters that gets another one.
        config: The peft config of the method. Its targets are replaced by the explicit names of the
            modules.
        targets: A preset of `model.adapter_targets`, a pattern over whole module names, or
            `all-linear`. `None` means the targets of the config, or the first preset if the config
            has none.
        head: The names of modules that train beside the adapter, in addition to those that the
            model declares in its attribute `head`. `save_head` saves them. `None` warns if the last
            layer was never trained and stays frozen, and `()` does not.
        example: A small input for `forward`. `None` means `model.example_input()` if the model has
            this method. The model runs once on it, to detect wrapped layers that are never called.
        name: The name of the adapter, needed if a model has several.
        untie: Whether a targeted layer or a head that shares its weight with another layer, such as
            tied embeddings, gets a copy of its own. `report` counts the bytes of the copies.

    Returns:
        The model inside a `PeftModel`.

    Raises:
        AdapterError: No module matches the targets, peft does not support the type of a layer, a
            layer that the targets spell out is dead (the model reads its weight without calling
            it), or the method would change the base. A targeted layer shares its weight with
            another one, and `untie` is false. Or the model has no module of a name in `head`.

    Warns:
        FrozenHeadWarning: The last layer was never trained and stays frozen.
        LeftOutWarning: `all-linear` or a pattern selects layers that are dead, or that peft
            refuses in this architecture. They have no adapter.

    Example:
        >>> from peft import LoraConfig
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Linear(16, 1))
        >>> tuned = scionwood.attach(model, LoraConfig(r=2), targets="0", head=("1",))
        >>> print(scionwood.report(tuned))
        trainable 65 (adapter 48, head 17) of 209 = 31.10% of base 144 + adapter + head
    """
    check_frozen_base(config)
    _check_method(model, config)
    untrained_head = (
        fresh_head(model) if head is None and not isinstance(model, PeftModel) else None
    )
    with declared_head(model, head or ()):
        probed = example_of(model, example) is not None
        names, left_out, spelled = settle_layers(model, config, targets, probed=probed)
        settled, state = copy.deepcopy(vars(config)), torch.get_rng_state()
        try:
            tuned = _built(model, config, name, names, example, untie)
        except DeadTargetsError as error:
            dead = dict.fromkeys(error.names, DEAD)
            live_names = [entry for entry in names if entry not in dead]
            if not live_names or any(entry in dead for entry in spelled):
                raise
            vars(config).update(settled)
            torch.set_rng_state(state)  # the factors do not depend on what is left out
            narrow(config, live_names, model)
            tuned = _built(model, config, name, live_names, example, untie)
            left_out |= dead
    keep_statistics(tuned)
    if not isinstance(model, PeftModel):
        remember_buffers(tuned)
    if left_out:
        warnings.warn(message(left_out), LeftOutWarning, stacklevel=2)
    if untrained_head is not None:
        _warn_if_frozen(tuned, *untrained_head)
    return tuned


def _built(
    model: nn.Module,
    config: PeftConfig,
    name: str,
    names: list[str],
    example: tuple[torch.Tensor, ...] | None,
    untie: bool,
) -> PeftModel:
    """Wrap the layers and check them, or leave the model as it was."""
    identity = remembered_identity(model)
    with restored_on_error(model):
        tuned = wrap(model, config, name, names)
        object.__setattr__(tuned, ATTRIBUTE, identity)
        check_alive(tuned, name, example)
        settle_ties(tuned, name, untie=untie)
        train_head(tuned)
    return tuned


def _warn_if_frozen(model: PeftModel, head: tuple[str, ...], reason: str) -> None:
    base = backbone(model)
    modules = [base.get_submodule(name) for name in head]
    if any(parameter.requires_grad for module in modules for parameter in module.parameters()):
        return
    warnings.warn(
        f"{', '.join(map(repr, head))} of {type(base).__name__}: it was never trained ({reason}) "
        f"and stays frozen, so that it never learns. Train it beside the adapter: "
        f"attach(..., head={head!r}). If it is trained already, say so: head=()",
        FrozenHeadWarning,
        stacklevel=3,  # the caller of attach
    )


def check_frozen_base(config: PeftConfig) -> None:
    """Refuse the options with which peft changes the weights of the base."""
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
            "it rewrites the weights of the base, so that the adapter fits no other copy of them",
            "Use True, 'gaussian', 'orthogonal' or 'mica'",
        )
    for option in ("layer_replication", "kasa_config"):
        if getattr(config, option, None):
            raise AdapterError(option, "it changes the base, which stays frozen", "Leave it out")


def wrap(model: nn.Module, config: PeftConfig, name: str, names: list[str]) -> PeftModel:
    """Wrap the layers of a model with peft; an error of peft becomes one that names the layer."""
    method = config.peft_type.value.lower()
    _check_method(model, config)
    try:
        with warnings.catch_warnings():
            # Since 0.21 peft identifies tensors by structure, so any adapter name is safe.
            warnings.filterwarnings("ignore", "Adapter name .* should not be contained")
            # peft still uses a name that transformers deprecates.
            warnings.filterwarnings("ignore", ".is_gradient_checkpointing. is deprecated")
            # `settle_ties` and `merge` look for tied weights themselves, in any module.
            warnings.filterwarnings("ignore", "Model has `tie_word_embeddings=True` and a tied")
            # peft sets the option that the Conv1D of transformers needs.
            warnings.filterwarnings("ignore", "fan_in_fan_out is set to False but the target")
            with science_layers(model, config):
                return _peft(model, config, name)
    except AdapterError as error:
        raise AdapterError(
            f"{method} on {_culprit(model, names)}", f"{error.value}: {error.rule}", error.remedy
        ) from error
    except Exception as error:  # peft raises errors of many types
        first = next(iter(str(error).strip().splitlines()), "")
        raise AdapterError(
            f"{method} on {_culprit(model, names)}",
            f"peft refuses it: {type(error).__name__}: {first}",
            "Target other layers, or change the method's options",
        ) from error


def _peft(model: nn.Module, config: PeftConfig, name: str) -> PeftModel:
    if not isinstance(model, PeftModel):
        return get_peft_model(model, config, adapter_name=name)
    model.add_adapter(name, config)
    model.set_adapter(name, inference_mode=config.inference_mode)
    return model


def _culprit(model: nn.Module, names: list[str]) -> str:
    """Name the first module that peft should have wrapped and did not."""
    for name in names:
        module: Any = backbone(model).get_submodule(name)
        if not isinstance(module, BaseTunerLayer):
            return f"{name} ({type(module).__name__})"
    return type(model).__name__


def _check_method(model: nn.Module, config: PeftConfig) -> None:
    method, inner = config.peft_type.value.lower(), backbone(model)
    if is_tuner(config.peft_type.value) and method not in LANGUAGE_ONLY:
        return
    if not hasattr(getattr(inner, "config", None), "model_type"):
        raise AdapterError(
            f"method {method!r} on {type(inner).__name__}",
            "it needs a language model of transformers",
            "Use a method that wraps layers, such as lora",
        )
