"""The base of adapter methods of third parties: a peft tuner with four small hooks."""

from __future__ import annotations

from typing import Any, ClassVar

import torch.nn as nn
from peft.tuners.tuners_utils import BaseTuner, BaseTunerLayer
from torch import Tensor

from scionwood.errors import AdapterError


class LayerTuner(BaseTuner):  # type: ignore[misc]  # peft has no type hints
    """Puts the layer of a method in the place of each target.

    If a target already has a layer of the method, the tuner adds an adapter to that layer. Give the
    tuner to `peft_method`.

    A subclass sets `prefix` and `tuner_layer_cls`, and overrides the hooks that it needs. For each
    new adapter, peft calls them in this order: `prepare` once, `wrap` and `fill` for each target in
    the order of the model, `finish` once. `wrap` is skipped for a target that has a layer already.
    A layer takes its place in the model after `fill`, so that a refusal leaves the target as it is.
    Hooks get the `config` of the adapter, its `name`, and as `key` the name of a module in the
    model. Each may raise an `AdapterError`.

    Attributes:
        prefix: the name of the method and an underscore. The names of the attributes that hold the
            trainable tensors of a layer start with it.
        tuner_layer_cls: the class of the method's layers: an `nn.Module` that is also a
            `BaseTunerLayer` of peft, and that stores the wrapped module as `base_layer`. A method
            with several kinds of layer names them in a tuple.
        model: the model that gets the adapters.
        peft_config: the configs by the name of the adapter.

    Example:
        >>> from peft.tuners.tuners_utils import BaseTunerLayer
        >>> class ScaleLayer(torch.nn.Module, BaseTunerLayer):
        ...     adapter_layer_names = ("scale_factor",)
        ...     def __init__(self, base_layer):
        ...         super().__init__()
        ...         self.base_layer = base_layer
        ...         self.scale_factor = torch.nn.ParameterDict()
        ...     def update_layer(self, name, config):
        ...         self.scale_factor[name] = torch.nn.Parameter(torch.ones(1))
        ...         self.set_adapter([name])
        ...     def forward(self, x):
        ...         return self.base_layer(x) * self.scale_factor[self.active_adapters[0]]
        >>> class ScaleTuner(authoring.LayerTuner):
        ...     prefix = "scale_"
        ...     tuner_layer_cls = ScaleLayer
    """

    prefix: str
    tuner_layer_cls: Any
    target_module_mapping: ClassVar[dict[str, list[str]]] = {}
    model: nn.Module
    peft_config: dict[str, Any]

    def prepare(self, model: nn.Module, config: Any, name: str, keys: list[str]) -> None:
        """Check the targets and set up what all layers share, before anything is wrapped."""

    def wrap(self, target: nn.Module, key: str) -> nn.Module:
        """Return the method's layer, without an adapter, for a module without any adapter."""
        layer: nn.Module = self.tuner_layer_cls(target)
        return layer

    def fill(self, layer: Any, config: Any, name: str, key: str) -> None:
        """Add an adapter to a layer of the method, which may have other adapters.

        The default calls `layer.update_layer(name, config)`.
        """
        layer.update_layer(name, config)

    def finish(self, config: Any, name: str) -> None:
        """Check or record the result, after all layers are in place."""

    def inject_adapter(
        self,
        model: nn.Module,
        adapter_name: str,
        autocast_adapter_dtype: bool = True,
        low_cpu_mem_usage: bool = False,
        state_dict: dict[str, Tensor] | None = None,
    ) -> None:
        """Put the layers of a new adapter in place; peft calls this for each adapter."""
        config = self.peft_config[adapter_name]
        names = [key for key, _ in model.named_modules() if key]
        keys = [key for key in names if self._check_target_module_exists(config, key)]
        self.prepare(model, config, adapter_name, keys)
        loading_options = (autocast_adapter_dtype, low_cpu_mem_usage, state_dict)
        super().inject_adapter(model, adapter_name, *loading_options)
        self.finish(config, adapter_name)

    def _create_and_replace(
        self,
        config: Any,
        adapter_name: str,
        target: nn.Module,
        target_name: str,
        parent: nn.Module,
        current_key: str,
        parameter_name: str | None = None,
    ) -> None:
        if isinstance(target, self.tuner_layer_cls):
            self.fill(target, config, adapter_name, current_key)
            return
        if isinstance(target, BaseTunerLayer):
            value = f"{self.prefix.rstrip('_')} on {current_key} ({type(target).__name__})"
            rule = "it has an adapter of another method"
            raise AdapterError(value, rule, "Unload that adapter, or target other layers")
        layer = self.wrap(target, current_key)
        self.fill(layer, config, adapter_name, current_key)
        self._replace_module(parent, target_name, layer, target)

    def _replace_module(
        self, parent: nn.Module, child_name: str, new_module: nn.Module, child: nn.Module
    ) -> None:
        """Put a layer in the place of a module, and move its adapters to the module's device.

        The function of peft reads the device from `child.weight`, which blocks of layers and
        recurrent layers lack. Here the module may have any tensors. If they are on several devices,
        the layer itself must place its adapters.
        """
        setattr(parent, child_name, new_module)
        devices = {tensor.device for tensor in _tensors(child)}
        if len(devices) != 1:
            return
        device = devices.pop()
        for part_name, part in new_module.named_children():
            is_meta = any(tensor.is_meta for tensor in _tensors(part))
            if part_name != "base_layer" and not is_meta:
                part.to(device)


def _tensors(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]
