"""Several adapters at once: summed, averaged, or weighted by small gates that learn."""

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

from scionwood import AdapterError, AdapterFileError, atomic_path, compose
from scionwood_methods.shared.support import is_linear


@final
class AdapterGates(nn.Module):
    """Weights of K adapters in each adapted layer, which sum to one: `softmax(W x + b)`.

    A layer returns `base(x) + sum_k scale_k g_k(x) (adapted_k(x) - base(x))`. At the start W and b
    are zero, so that every g_k is 1 / K: the mean. Gates `per="layer"` have b alone and see no
    input; gates `per="token"` weigh each token, and need layers that multiply the last axis.

    Parameters: K a layer, and K in more per token.

    Args:
        model: with the adapters loaded under their names; it is neither changed nor held.
        scales: by the adapter's name, without unit.
        per: what has weights of its own.

    Raises:
        AdapterError: an adapter is missing, a layer lacks one of them, or has no tokens.

    Source: the sum is that of arXiv 2605.12345; gates over it are ours.
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
                rule = "its inputs and outputs may differ in positions"
                remedy = "Use per='layer'"
                raise AdapterError(f"{name} ({type(base).__name__}) per token", rule, remedy)
            self.names.append(name)
            self.bias.append(base.weight.new_zeros(len(self.scales)))
            if per == "token":
                self.weight.append(base.weight.new_zeros(len(self.scales), base.weight.shape[1]))

    def weigh(self, index: int, x: Tensor) -> Tensor:
        """The gates of a layer.

        Args:
            index: of the layer in `names`.
            x: its input, (..., in) per token, anything per layer.

        Returns:
            g (K,) per layer, (..., K) per token, in the gates' own dtype.
        """
        logits = self.bias[index]
        if self.per == "token":
            logits = nn.functional.linear(x.to(logits.dtype), self.weight[index], logits)
        return logits.softmax(-1)

    def save(self, path: Path) -> None:
        """Write the gates as safetensors, with the order of adapters and layers.

        Raises:
            OSError: the disk is full or not writable; the old file stays.
        """
        state = {key: value.detach().cpu().contiguous() for key, value in self._named().items()}
        with atomic_path(Path(path)) as part:
            save_file(state, part, metadata={"format": "pt"})

    def load(self, path: Path) -> None:
        """Read gates for the same adapters and layers.

        Raises:
            AdapterFileError: the file is damaged, or of other adapters, layers or sizes.
        """
        own = self._named()
        try:
            found = load_file(path)
        except (OSError, SafetensorError) as error:
            rule = f"it holds no gates ({type(error).__name__}: {error})"
            raise AdapterFileError(str(path), rule, "Save them again") from error
        if {k: v.shape for k, v in found.items()} != {k: v.shape for k, v in own.items()}:
            rule = f"its gates are not those of {', '.join(self.scales)} on this model"
            raise AdapterFileError(str(path), rule, "Build AdapterGates as they were built")
        with torch.no_grad():
            for key, value in own.items():
                value.copy_(found[key])

    def _named(self) -> dict[str, Tensor]:
        """Each adapter's part of each gate, by layer and adapter, so that files cannot be mixed."""
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
    """Run several adapters at once, of any methods, those included that cannot be merged.

    Sum and mean are those of `scionwood.compose`: for LoRA the sum equals peft's
    `add_weighted_adapter(combination_type="cat")`. With gates, a layer runs its base once more for
    each adapter; train the gates alone with an optimiser over `gates.parameters()`.

    Args:
        model: with the adapters loaded under their names.
        scales: by the adapter's name; or, with the mode `gate`, the gates.
        mode: how the changes of a layer are put together.

    Raises:
        AdapterError: see `scionwood.compose`; or the mode does not go with what was given.
    """
    if isinstance(scales, AdapterGates) != (mode == "gate"):
        found = f"mode={mode!r} with {type(scales).__name__}"
        raise AdapterError(found, "gates go with the mode 'gate', scales with the others")
    if not isinstance(scales, AdapterGates):
        with compose(model, scales, mode="mean" if mode == "mean" else "sum") as composition:
            yield composition
        return
    layers = _gated_layers(model, scales.scales)
    if list(layers) != scales.names:
        rule = "they were made for other layers"
        raise AdapterError("gates", rule, "Build AdapterGates on this model")
    for index, layer in enumerate(layers.values()):
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
        weights, total = gates.weigh(index, x).to(base.dtype), base
        for k, (name, scale) in enumerate(gates.scales.items()):
            with _only(layer, name):
                change = forward(x) - base
            total = total + scale * weights[..., k : k + 1] * change
        return total

    return run


@contextmanager
def _only(layer: Any, name: str | None) -> Iterator[None]:
    """Let one adapter of a layer act, or none, without touching which parameters train."""
    before = layer._active_adapter, layer._disable_adapters
    layer._active_adapter, layer._disable_adapters = [name] if name else [], name is None
    try:
        yield
    finally:
        layer._active_adapter, layer._disable_adapters = before


def _gated_layers(model: PeftModel, scales: Mapping[str, float]) -> dict[str, Any]:
    with compose(model, scales):  # its checks: adapters that are there, unmerged, without copies
        pass
    layers = {
        name: module for name, module in model.named_modules() if isinstance(module, BaseTunerLayer)
    }
    for name, layer in layers.items():
        present = set(layer._all_available_adapter_names())
        if any(isinstance(part, BaseTunerLayer) for part in list(layer.modules())[1:]):
            raise AdapterError(f"layer {name}", "it holds adapters inside adapters", "Use the sum")
        if missing := sorted(set(scales) - present):
            rule = f"it lacks the adapter {missing[0]!r}"
            raise AdapterError(f"layer {name}", rule, "Gate adapters of the same layers")
    return layers
