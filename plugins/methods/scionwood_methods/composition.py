"""Several adapters at once: their sum, their mean, or a sum weighted by small trained gates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, final

import torch
import torch.nn as nn
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from scionwood import AdapterError, AdapterFileError, compose
from scionwood.authoring import atomic_path, writing
from scionwood_methods.shared.support import is_linear


@final
class AdapterGates(nn.Module):
    """Gates over K adapters in each adapted layer, `g = softmax(W x + b)`, whose sum is 1.

    A layer returns `base(x) + sum_k scale_k g_k(x) (adapted_k(x) - base(x))`. At the start W and b
    are zero, so that every g_k is 1 / K and the result is the mean. With `per="layer"` the gates
    have only b and do not depend on the input. With `per="token"` each token has its own gates;
    this needs layers that multiply the last axis.

    Trainable parameters: K for each layer, and K in more with `per="token"`.

    Args:
        model: a model with the adapters loaded under their names; it is not changed.
        scales: a factor without unit by the name of each adapter.
        per: whether each layer or each token has its own gates.

    Raises:
        AdapterError: an adapter is missing, a layer lacks one of them, or a layer has no tokens.

    Source: the sum is that of arXiv 2605.12345; the gates are an extension of this package.

    Example:
        >>> import torch
        >>> from scionwood_methods import AdapterGates, adapt, method_config
        >>> base = torch.nn.Sequential(torch.nn.Linear(32, 64), torch.nn.Linear(64, 8))
        >>> options = {"r": 4, "target_modules": ["0", "1"]}
        >>> model = adapt(base, "smoa", options)
        >>> model.add_adapter("other", method_config("smoa", options))
        >>> gates = AdapterGates(model, {"default": 1.0, "other": 1.0})
        >>> sum(parameter.numel() for parameter in gates.parameters())  # 2 (1 + 32) + 2 (1 + 64)
        196
    """

    def __init__(
        self,
        model: PeftModel,
        scales: Mapping[str, float],
        *,
        per: Literal["layer", "token"] = "token",
    ) -> None:
        super().__init__()
        self.scales, self.per = dict(scales), per
        self.names: list[str] = []
        self.bias, self.weight = nn.ParameterList(), nn.ParameterList()
        for name, layer in _gated_layers(model, self.scales).items():
            base: Any = layer.get_base_layer()
            if per == "token" and not is_linear(base):
                rule = "its inputs and outputs may have different positions"
                remedy = "Use per='layer'"
                raise AdapterError(f"{name} ({type(base).__name__}) per token", rule, remedy)
            self.names.append(name)
            self.bias.append(base.weight.new_zeros(len(self.scales)))
            if per == "token":
                self.weight.append(base.weight.new_zeros(len(self.scales), base.weight.shape[1]))

    def weigh(self, index: int, x: Tensor) -> Tensor:
        """Return the gates of a layer.

        Args:
            index: the index of the layer in `names`.
            x: the input of the layer, (..., in) per token, any shape per layer.

        Returns:
            g (K,) per layer or (..., K) per token, in the dtype of the gates.
        """
        logits = self.bias[index]
        if self.per == "token":
            logits = nn.functional.linear(x.to(logits.dtype), self.weight[index], logits)
        gates: Tensor = logits.softmax(-1)
        return gates

    def save(self, path: str | Path) -> None:
        """Write the gates as safetensors, with the names of the adapters and layers.

        Raises:
            WriteError: the file cannot be written; a previous file is left as it was.
        """
        state = {
            key: value.detach().cpu().contiguous() for key, value in self._gate_parts().items()
        }
        with writing(path), atomic_path(path) as part:
            save_file(state, part, metadata={"format": "pt"})

    def load(self, path: str | Path) -> None:
        """Read gates of the same adapters and layers.

        Raises:
            AdapterFileError: the file is damaged, or has other adapters, layers or sizes.
        """
        gates = self._gate_parts()
        try:
            state = load_file(path)
        except (OSError, SafetensorError) as error:
            rule = f"it holds no gates ({type(error).__name__}: {error})"
            raise AdapterFileError(str(path), rule, "Save the gates again") from error
        if {k: v.shape for k, v in state.items()} != {k: v.shape for k, v in gates.items()}:
            rule = f"its gates are not those of {', '.join(self.scales)} on this model"
            remedy = "Build AdapterGates with the model and scales of the run that saved them"
            raise AdapterFileError(str(path), rule, remedy)
        with torch.no_grad():
            for key, value in gates.items():
                value.copy_(state[key])

    def _gate_parts(self) -> dict[str, Tensor]:
        """Return the part of each adapter in each gate, by layer and adapter."""
        return {
            f"{name}:{kind}:{adapter}": values[index][k]
            for kind, values in (("bias", self.bias), ("weight", self.weight))
            for index, name in enumerate(self.names[: len(values)])
            for k, adapter in enumerate(self.scales)
        }


@contextmanager
def composed(
    model: PeftModel,
    scales: Mapping[str, float] | AdapterGates,
    *,
    mode: Literal["sum", "mean", "gate"] = "sum",
) -> Iterator[PeftModel]:
    """Apply several adapters at once, of any methods, also of methods that cannot be merged.

    The modes `sum` and `mean` are those of `scionwood.compose`. For LoRA the sum equals peft's
    `add_weighted_adapter(combination_type="cat")`. With gates, a layer runs its base once more for
    each adapter. To train only the gates, give `gates.parameters()` to an optimiser.

    Args:
        model: a model with the adapters loaded under their names.
        scales: a factor by the name of each adapter; with the mode `gate`, the gates.
        mode: how the changes of a layer are combined.

    Raises:
        AdapterError: see `scionwood.compose`; or the mode does not fit the type of `scales`.

    Example:
        >>> import torch
        >>> from scionwood_methods import adapt, composed, method_config
        >>> base = torch.nn.Sequential(torch.nn.Linear(32, 64), torch.nn.Linear(64, 8))
        >>> options = {"r": 4, "target_modules": ["0", "1"]}
        >>> model = adapt(base, "smoa", options)
        >>> model.add_adapter("other", method_config("smoa", options))
        >>> with composed(model, {"default": 1.0, "other": 0.5}) as both:
        ...     both(torch.randn(16, 32)).shape
        torch.Size([16, 8])
    """
    if isinstance(scales, AdapterGates) != (mode == "gate"):
        value = f"mode={mode!r} with {type(scales).__name__}"
        rule = "the mode 'gate' needs AdapterGates, and the other modes need factors by name"
        raise AdapterError(value, rule)
    if not isinstance(scales, AdapterGates):
        with compose(model, scales, mode="mean" if mode == "mean" else "sum") as composition:
            yield composition
        return
    layers = _gated_layers(model, scales.scales)
    if list(layers) != scales.names:
        rule = "they belong to other layers"
        raise AdapterError("gates", rule, "Build AdapterGates on this model")
    for index, layer in enumerate(layers.values()):
        # An attribute of the instance hides the method of its class, until it is deleted below.
        layer.forward = _gated(layer, layer.forward, scales, index)
    try:
        yield model
    finally:
        for layer in layers.values():
            del layer.forward


def _gated(
    layer: Any, forward: Callable[[Tensor], Tensor], gates: AdapterGates, index: int
) -> Callable[[Tensor], Tensor]:
    def run(x: Tensor) -> Tensor:
        with _only(layer, None):
            base = forward(x)
        # The layer runs once for each adapter instead of adding its deltas, so that methods whose
        # change depends on the input can be weighed too.
        weights, total = gates.weigh(index, x).to(base.dtype), base
        for k, (name, scale) in enumerate(gates.scales.items()):
            with _only(layer, name):
                change = forward(x) - base
            total = total + scale * weights[..., k : k + 1] * change
        return total

    return run


@contextmanager
def _only(layer: Any, name: str | None) -> Iterator[None]:
    """Activate one adapter of a layer, or none, and leave alone which parameters train."""
    before = layer._active_adapter, layer._disable_adapters
    layer._active_adapter, layer._disable_adapters = [name] if name else [], name is None
    try:
        yield
    finally:
        layer._active_adapter, layer._disable_adapters = before


def _gated_layers(model: PeftModel, scales: Mapping[str, float]) -> dict[str, Any]:
    with compose(model, scales):  # checks that the adapters exist and are not merged
        pass
    layers = {
        name: module for name, module in model.named_modules() if isinstance(module, BaseTunerLayer)
    }
    for name, layer in layers.items():
        present = set(layer._all_available_adapter_names())
        if any(isinstance(part, BaseTunerLayer) for part in list(layer.modules())[1:]):
            rule = "it holds adapters inside adapters"
            raise AdapterError(f"layer {name}", rule, "Use the mode 'sum'")
        if missing := sorted(set(scales) - present):
            rule = f"it lacks the adapter {missing[0]!r}"
            raise AdapterError(f"layer {name}", rule, "Use gates on adapters of the same layers")
    return layers
