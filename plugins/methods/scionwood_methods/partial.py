"""Selective freezing: train some parameters of the base model and save them as an adapter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final, get_args

import torch
import torch.nn as nn
from peft import PeftConfig
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor
from torch.func import functional_call

from scionwood import AdapterError
from scionwood.authoring import LayerTuner, peft_method
from scionwood_methods.shared.modules import ModuleAdapter

Stored = Literal["delta", "values"]


@final
class PartialLayer(ModuleAdapter):
    """A module that runs with some parameters replaced; its own parameters stay unchanged.

    With active adapters k a parameter is `p + sum_k delta_k`, computed in the wider dtype and
    rounded once to the dtype of p. With one adapter of stored values it is that value.
    """

    partial_own: Any
    adapter_layer_names = ("partial_own",)
    other_param_names = ("stored", "chosen")

    def __init__(self, base: nn.Module) -> None:
        super().__init__(base)
        self.partial_own = nn.ModuleDict()
        self.stored: dict[str, Stored] = {}
        self.chosen: dict[str, list[str]] = {}

    def add(self, name: str, chosen: Mapping[str, Tensor], stored: Stored) -> None:
        """Add an adapter that changes nothing yet.

        Args:
            name: the name of the adapter.
            chosen: the parameters that it trains, by their names in the base module.
            stored: see `PartialConfig`.
        """
        start = {key: self.original(key) for key in chosen}
        if stored == "delta":
            start = {key: torch.zeros_like(value) for key, value in start.items()}
        parameters = {_key(key): nn.Parameter(value.clone()) for key, value in start.items()}
        self.partial_own[name] = nn.ParameterDict(parameters)
        self.stored[name], self.chosen[name] = stored, list(chosen)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the base module with the parameters of its active adapters."""
        if self.disable_adapters and self.merged:
            self.unmerge()
        names = self.acting()
        if not names:
            return self.base_layer(*args, **kwargs)
        values = self.values(names)
        if not torch.is_grad_enabled():  # some kernels of torch round by `requires_grad`
            values = {key: value.detach() for key, value in values.items()}
        with _flat_weights(self.base_layer, values), _plain_tensors(self.base_layer, values):
            return functional_call(self.base_layer, values, args, kwargs)

    def values(self, names: list[str]) -> dict[str, Tensor]:
        """See `ModuleAdapter.values`."""
        keys = dict.fromkeys(key for name in names for key in self.chosen[name])
        return {key: self._value(key, self.parameter(key).detach(), names) for key in keys}

    def _value(self, key: str, now: Tensor, names: list[str]) -> Tensor:
        adapters = [name for name in names if _key(key) in self.partial_own[name]]
        # p + (value - p) would round; the stored value itself is exact.
        if len(adapters) == 1 and not self.merged and self.stored[adapters[0]] == "values":
            value: Tensor = self.partial_own[adapters[0]][_key(key)]
            return value.to(now.dtype)
        total = now
        for name in adapters:
            parameter = self.partial_own[name][_key(key)]
            total = total + (
                parameter if self.stored[name] == "delta" else parameter - self.original(key)
            )
        return total.to(now.dtype)


@final
class PartialModel(LayerTuner):
    """The tuner of selective freezing."""

    prefix = "partial_"
    tuner_layer_cls = PartialLayer

    def prepare(self, model: nn.Module, config: Any, name: str, keys: list[str]) -> None:
        """Check that no target contains another.

        Raises:
            AdapterError: a target contains another one; names both modules.
        """
        _check_apart(model, keys)

    def fill(self, layer: Any, config: Any, name: str, key: str) -> None:
        """Add an adapter with the chosen parameters of a module.

        Raises:
            AdapterError: the module has no such parameters, or they cannot train.
        """
        chosen = _chosen(key, layer.base_layer, config.parameters)
        _check_untied(self.model, key, chosen)
        layer.add(name, chosen, config.stored)


@peft_method("partial", tuner=PartialModel)
@final
@dataclass
class PartialConfig(PeftConfig):  # type: ignore[misc]  # peft has no type hints
    """Selective freezing: some parameters of the base model train and are saved as an adapter.

    Any parameter of any module below the root can be chosen: norms, biases, embeddings, position
    tables, recurrent layers, whole blocks. The base model never changes, so adapters can be
    switched, disabled, merged and unmerged. In low precision peft stores the trained parameters
    in float32, and the model uses them rounded to the dtype of the base.

    Trainable parameters: the chosen ones.

    Shapes: each tensor has the shape of its parameter, in any dtype that has gradients.

    Args:
        target_modules: names of modules, or one pattern for whole names; no target may contain
            another.
        exclude_modules: names of modules to leave out, or a pattern.
        layers_to_transform: indices of the blocks to adapt; needs a list of `target_modules`.
        layers_pattern: the name of the list of blocks, for `layers_to_transform`.
        modules_to_save: modules that peft itself copies and trains.
        parameters: names inside the targets, or ends of names such as `bias`; `None` means all
            parameters.
        stored: what is trained and saved. `delta` is the difference from the base; it starts at
            zero, so that weight decay pulls towards the base. `values` are the parameters
            themselves, which loading and merging restore bit for bit.

    Source: freezing all but some layers is common practice; the reference method of the crash
    plugin freezes the edge layers in this way. Storage, merging and switching are our own.
    """

    poolable: ClassVar[str] = "mean"  # how federated learning may pool it
    target_modules: list[str] | str | None = None
    exclude_modules: list[str] | str | None = None
    layers_to_transform: list[int] | int | None = None
    layers_pattern: list[str] | str | None = None
    modules_to_save: list[str] | None = None
    parameters: list[str] | None = None
    stored: Stored = "delta"

    def __post_init__(self) -> None:
        """Check how the parameters are stored.

        Raises:
            AdapterError: `stored` has an unknown value.
        """
        super().__post_init__()
        if self.stored not in get_args(Stored):
            rule = f"it must be one of {', '.join(get_args(Stored))}"
            raise AdapterError(f"stored={self.stored!r}", rule)


def _chosen(name: str, module: nn.Module, suffixes: list[str] | None) -> dict[str, nn.Parameter]:
    """Return the parameters of a module that train.

    Raises:
        AdapterError: there are none, or one has a dtype without gradients.
    """
    chosen = {
        key: parameter
        for key, parameter in module.named_parameters()
        if suffixes is None
        or any(key == suffix or key.endswith(f".{suffix}") for suffix in suffixes)
    }
    where = f"{name} ({type(module).__name__})"
    if not chosen:
        rule = "it has no parameter" + ("" if suffixes is None else f" that ends in {suffixes}")
        raise AdapterError(f"partial on {where}", rule, "Target modules that have some")
    for key, parameter in chosen.items():
        if not (parameter.is_floating_point() or parameter.is_complex()):
            rule = f"its {key} is {parameter.dtype}, which has no gradient"
            raise AdapterError(f"partial on {where}", rule, "Load the base without quantisation")
    return chosen


def _check_apart(model: nn.Module, names: Sequence[str]) -> None:
    """Check that no target contains another target or an adapter, or lies in one."""
    adapter_modules = {
        key for key, module in model.named_modules() if isinstance(module, BaseTunerLayer)
    }
    targets = set(names)
    for inner in sorted(targets | adapter_modules):
        parts = inner.split(".")
        for outer in (".".join(parts[:size]) for size in range(1, len(parts))):
            if {inner, outer} <= targets | adapter_modules and {inner, outer} & targets:
                rule = f"it lies in {outer}, and only one of the two can have an adapter"
                raise AdapterError(f"partial on {inner}", rule, "Target only one of them")


def _check_untied(model: nn.Module, name: str, chosen: Mapping[str, nn.Parameter]) -> None:
    """Check that no other module shares a chosen parameter; it would keep the base's value."""
    ids = {id(parameter): key for key, parameter in chosen.items()}
    for other, parameter in model.named_parameters(remove_duplicate=False):
        if id(parameter) in ids and not other.startswith(f"{name}."):
            rule = f"its {ids[id(parameter)]} is the same tensor as {other}"
            raise AdapterError(f"partial on {name}", rule, "Target a module that holds both")


@contextmanager
def _flat_weights(module: nn.Module, values: Mapping[str, Tensor]) -> Iterator[None]:
    """Give recurrent layers the replaced parameters, because their kernels read their own list."""
    previous = []
    for prefix, layer in module.named_modules():
        if isinstance(layer, nn.RNNBase):
            previous.append((layer, layer._flat_weights))
            names = [f"{prefix}.{name}".lstrip(".") for name in layer._flat_weights_names]
            old = zip(names, layer._flat_weights, strict=True)
            layer._flat_weights = [values.get(name, weight) for name, weight in old]
    try:
        yield
    finally:
        for layer, weights in previous:
            layer._flat_weights = weights


@contextmanager
def _plain_tensors(module: nn.Module, values: Mapping[str, Tensor]) -> Iterator[None]:
    """Replace parameters that are attributes while FSDP runs; `functional_call` misses these."""
    previous = []
    for key, value in values.items():
        place, _, name = key.rpartition(".")
        owner = module.get_submodule(place)
        if name in owner.__dict__:
            previous.append((owner, name, owner.__dict__[name]))
            owner.__dict__[name] = value
    try:
        yield
    finally:
        for owner, name, tensor in previous:
            owner.__dict__[name] = tensor


def _key(name: str) -> str:
    """Return the name of a parameter as a key of `nn.ParameterDict`, which allows no dots."""
    return name.replace(".", "/")
