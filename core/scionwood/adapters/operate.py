"""Merge adapters into the base, undo it, and run several adapters at once with weights."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from typing import Any, Literal

import torch
import torch.nn as nn
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.other import AuxiliaryTrainingWrapper

from scionwood.adapters.faithful import check_called, check_stored, same_outputs
from scionwood.adapters.fusing import fused_classes
from scionwood.adapters.modules import has_adapter, parts, tuner_layers
from scionwood.adapters.sharing import Undo, adapter_ties, put_back, separate
from scionwood.errors import AdapterError

_MERGE_STATE = "_scionwood_kept"


def merge(model: PeftModel, *, untie: bool = False) -> None:
    """Add the active adapters to the weights of the base, so that inference has no extra cost.

    A copy of the old weights is kept for `unmerge`. It needs as much memory as the adapted layers.

    Args:
        model: A model with adapters, changed in place.
        untie: Whether an adapted layer that shares its weight with a layer without an adapter, such
            as tied embeddings, has a copy of its own until `unmerge`.

    Raises:
        AdapterError: The method cannot be merged because its change depends on the input, a layer
            computes its weight at each call (`weight_norm`, `spectral_norm`, pruning), a layer or
            its hooks change the weight, the input or the output in `forward`, the result is not
            finite, or adapters are merged already. Or a layer without an adapter shares a weight
            that would change, and `untie` is false. The model is left as it was.

    Example:
        >>> from peft import LoraConfig
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Linear(16, 1))
        >>> tuned = scionwood.attach(model, LoraConfig(r=2), targets="0", head=())
        >>> x = torch.ones(1, 8)
        >>> before = tuned(x)
        >>> scionwood.merge(tuned)
        >>> torch.allclose(tuned(x), before, atol=1e-6)
        True
    """
    layers = _layers(model)
    if any(layer.merged for layer in layers.values()):
        raise AdapterError("the model", "its adapters are merged already", "Unmerge first")
    check_stored(layers)
    check_called(model, layers)
    object.__setattr__(model, _MERGE_STATE, _keep(model, layers, untie))
    try:
        with fused_classes(model), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Model with `tie_word_embeddings=True` and the")
            with same_outputs(layers):
                model.base_model.merge_adapter(safe_merge=True)
    except BaseException as error:
        _restore(model)
        if isinstance(error, AdapterError) or not isinstance(error, Exception):
            raise
        method = model.active_peft_config.peft_type.value.lower()
        raise AdapterError(
            f"adapter of method {method!r}",
            f"cannot be merged ({type(error).__name__}: {error})",
            "Use it unmerged; compose() serves adapters that cannot be merged",
        ) from error


def unmerge(model: PeftModel) -> None:
    """Remove merged adapters from the base, and restore its old weights bit for bit.

    Args:
        model: A model with merged adapters, changed in place.

    Raises:
        AdapterError: No adapter is merged. Or peft itself merged one whose method cannot undo it.

    Example:
        >>> from peft import LoraConfig
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Linear(16, 1))
        >>> tuned = scionwood.attach(model, LoraConfig(r=2), targets="0", head=())
        >>> weight = model[0].weight.clone()
        >>> scionwood.merge(tuned)
        >>> scionwood.unmerge(tuned)
        >>> torch.equal(model[0].weight, weight)
        True
    """
    if not any(layer.merged for layer in _layers(model).values()):
        raise AdapterError("the model", "no adapter is merged into it")
    has_merge_state = _MERGE_STATE in vars(model)  # not if `merge_adapter` of peft merged them
    # Some methods cannot undo a merge exactly, so the weights come from what was kept.
    lenient = suppress(NotImplementedError) if has_merge_state else nullcontext()
    try:
        with fused_classes(model), warnings.catch_warnings(), lenient:
            warnings.simplefilter("ignore")
            model.base_model.unmerge_adapter()
    except NotImplementedError as error:
        rule = f"its method cannot undo what merge_adapter of peft did ({error})"
        raise AdapterError("the merged adapter", rule, "Load the base anew") from error
    if has_merge_state:
        _restore(model)


@contextmanager
def compose(
    model: PeftModel, weights: Mapping[str, float], *, mode: Literal["sum", "mean"] = "sum"
) -> Iterator[PeftModel]:
    """Run several adapters at once, with a weighted sum of their changes in each layer.

    Inside the `with` block, a layer returns `base(x) + sum_k w_k (adapted_k(x) - base(x))`. For
    LoRA this equals `add_weighted_adapter(combination_type="cat")` of peft. It also works for
    adapters whose change depends on the input. A layer runs its base once more for each adapter.

    Args:
        model: A model with several adapters.
        weights: The weight of each adapter by its name.
        mode: `mean` divides the weights by their sum.

    Raises:
        AdapterError: An adapter is missing or merged, has copies of whole modules or is a prompt,
            or the weights are empty or, for a mean, add up to zero.

    Example:
        >>> from peft import LoraConfig
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Linear(16, 1))
        >>> tuned = scionwood.attach(model, LoraConfig(r=2), targets="0", head=())
        >>> tuned = scionwood.attach(tuned, LoraConfig(r=4), targets="0", head=(), name="second")
        >>> with scionwood.compose(tuned, {"default": 0.7, "second": 0.3}) as both:
        ...     both(torch.ones(1, 8)).shape
        torch.Size([1, 1])
    """
    shares = _shares(model, weights, mode)
    layers = _layers(model)
    for layer in layers.values():
        layer.forward = _composed(layer, layer.forward, shares)
    try:
        yield model
    finally:
        for layer in layers.values():
            del layer.forward


def allocate(model: nn.Module, step: int) -> None:
    """Let a method that redistributes its rank during training do so (AdaLoRA, AdaMSS).

    Call it after each optimiser step, before the gradients are cleared. Other methods ignore it.
    Checkpoints do not contain the state that such a method keeps between steps, so that a resumed
    run is not exact.

    Args:
        model: A model with or without adapters.
        step: The number of optimiser steps so far.

    Example:
        >>> from peft import AdaLoraConfig
        >>> from scionwood.adapters import allocate
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Linear(16, 1))
        >>> config = AdaLoraConfig(init_r=4, target_r=2, tinit=1, tfinal=1, total_step=10)
        >>> tuned = scionwood.attach(model, config, targets="0", head=())
        >>> optimiser = torch.optim.AdamW(scionwood.parameter_groups(tuned, lr=1e-3))
        >>> for step in range(1, 4):
        ...     tuned(torch.ones(4, 8)).square().mean().backward()
        ...     optimiser.step()
        ...     allocate(tuned, step)
        ...     optimiser.zero_grad()
    """
    tuner = model.base_model if isinstance(model, PeftModel) else None
    update = getattr(tuner, "update_and_allocate", None)
    if update is not None:
        update(step)


def _shares(model: PeftModel, weights: Mapping[str, float], mode: str) -> dict[str, float]:
    if missing := sorted(set(weights) - set(model.peft_config)):
        loaded_names = ", ".join(model.peft_config)
        raise AdapterError(f"adapter {missing[0]!r}", "is not loaded", f"Loaded: {loaded_names}")
    if any(layer.merged for layer in _layers(model).values()):
        raise AdapterError("the model", "its adapters are merged", "Unmerge before compose")
    for module in model.modules():
        if isinstance(module, AuxiliaryTrainingWrapper):
            rule = "copies of modules cannot be added"
            raise AdapterError("modules_to_save", rule, "Run them one by one")
    total = sum(weights.values()) if mode == "mean" else 1.0
    if not weights or total == 0:
        rule = "they must not be empty or, for a mean, add up to zero"
        raise AdapterError(f"weights {dict(weights)}", rule)
    return {name: weight / total for name, weight in weights.items()}


def _composed(
    layer: BaseTunerLayer, forward: Callable[..., Any], shares: Mapping[str, float]
) -> Callable[..., Any]:
    switched = parts(layer)
    present = {name: weight for name, weight in shares.items() if has_adapter(layer, name)}

    def run(*args: Any, **kwargs: Any) -> Any:
        with _only(switched, None):
            base = forward(*args, **kwargs)
        total = base
        for name, weight in present.items():
            with _only(switched, name):
                total = _add(total, weight, forward(*args, **kwargs), base)
        return total

    return run


@contextmanager
def _only(layers: list[BaseTunerLayer], name: str | None) -> Iterator[None]:
    """Activate one adapter, or no adapter if `name` is `None`; `requires_grad` stays as it is."""
    before = [(part, part._active_adapter, part._disable_adapters) for part in layers]
    for part in layers:
        part._active_adapter, part._disable_adapters = [name] if name else [], name is None
    try:
        yield
    finally:
        for part, active, disabled in before:
            part._active_adapter, part._disable_adapters = active, disabled


def _add(total: Any, weight: float, adapted: Any, base: Any) -> Any:
    """Return `total + weight (adapted - base)` for a tensor, or for each tensor of a tuple."""
    if isinstance(total, tuple):
        return tuple(_add(*terms) for terms in zip(total, [weight] * len(total), adapted, base))  # noqa: B905
    if isinstance(total, torch.Tensor):
        return total + weight * (adapted - base)
    return total


def _layers(model: PeftModel) -> dict[str, BaseTunerLayer]:
    layers = tuner_layers(model)
    if not layers:
        raise AdapterError(type(model).__name__, "it has no layer with an adapter")
    return layers


def _base_tensors(layer: BaseTunerLayer) -> dict[str, torch.Tensor]:
    """Return the tensors of the module inside a wrapper, without those of nested adapters."""
    inner = {
        id(p)
        for part in parts(layer.base_layer)
        for name in part.adapter_layer_names
        for p in getattr(part, name).parameters()
    }
    state = dict(layer.base_layer.named_parameters())
    return {name: p for name, p in state.items() if id(p) not in inner}


_MergeState = tuple[dict[tuple[str, str], torch.Tensor], Undo]
"""Old values by the names of layer and tensor, where they were; shared tensors that have copies."""


def _keep(model: PeftModel, layers: Mapping[str, BaseTunerLayer], untie: bool) -> _MergeState:
    """Keep the old values, and let the merge work on copies of them.

    Layers that share tensors get copies of their own, so that layers that are tied and all adapted
    are merged one by one, and none is merged twice.
    """
    ties = [
        tie
        for tie in adapter_ties(model)
        if (layer := tie.changed.layer) is not None
        and any(has_adapter(layer, name) for name in layer.active_adapters)
    ]
    if not untie and (alone := [tie for tie in ties if tie.other.layer is None]):
        raise alone[0].error()
    shared = separate(ties)
    values = {}
    for name, layer in layers.items():
        for key, value in _base_tensors(layer).items():
            values[name, key] = value.data
            value.data = value.data.clone()
    return values, shared


def _restore(model: PeftModel) -> None:
    values, shared = model.__dict__.pop(_MERGE_STATE)
    for name, layer in tuner_layers(model).items():
        for part in parts(layer):
            part.merged_adapters = []
        for key, value in _base_tensors(layer).items():
            value.data = values[name, key].to(value)  # the model may have moved since
    put_back(shared)
