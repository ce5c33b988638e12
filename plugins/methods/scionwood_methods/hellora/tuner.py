"""HELLoRA: LoRA on the most used experts of each mixture, and on the layers around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch.nn as nn

from scionwood import AdapterError
from scionwood.authoring import LayerTuner, peft_method
from scionwood_methods.hellora.fused_experts import ExpertsLayer, is_fused
from scionwood_methods.shared.config import LowRankConfig
from scionwood_methods.shared.low_rank import LowRankLayer
from scionwood_methods.shared.support import check_supported


@final
class HelloraLayer(LowRankLayer):
    """LoRA on a plain layer."""

    hellora_A: Any
    hellora_B: Any
    adapter_layer_names = ("hellora_A", "hellora_B")


@final
class HelloraModel(LayerTuner):
    """The tuner of HELLoRA."""

    prefix = "hellora_"
    tuner_layer_cls = (HelloraLayer, ExpertsLayer)

    def wrap(self, target: nn.Module, key: str) -> nn.Module:
        """Return the layer for a plain layer or for fused experts.

        Raises:
            AdapterError: the method does not support the module.
        """
        if not is_fused(target):
            check_supported("hellora", key, target)
            return HelloraLayer(target)
        # `ExpertsLayer` computes act(x W_gate) * (x W_up) W_down itself for the hot experts, so
        # whatever the base does beyond that would be lost without a message.
        marks = ("is_transposed", "has_bias", "has_post_expert_norm", "_is_expert_parallel")
        wrong = [mark for mark in marks if getattr(target, mark, False)]
        if wrong or not hasattr(target, "_apply_gate"):
            rule = "it needs plain (experts, out, in) weights with a gate, and nothing else"
            value = f"hellora on {key} ({type(target).__name__}{': ' if wrong else ''}"
            remedy = "Target its attention, or use peft's lora with target_parameters"
            raise AdapterError(f"{value}{', '.join(wrong)})", rule, remedy)
        return ExpertsLayer(target)

    def fill(self, layer: Any, config: Any, name: str, key: str) -> None:
        """Add an adapter to a layer.

        Raises:
            AdapterError: the config names no hot expert of a mixture, or an unknown expert, or the
                layer belongs to an expert that is not hot.
        """
        if isinstance(layer, ExpertsLayer):
            layer.add(name, config, _hot(layer.base_layer, config, key))
            return
        _check_hot(config, key)
        layer.update_layer(name, config)


@peft_method("hellora", tuner=HelloraModel)
@final
@dataclass
class HelloraConfig(LowRankConfig):
    """Hot-expert LoRA: in each mixture of experts only the most used experts have factors.

    Count the routes with `scionwood_methods.hellora.routes.count_routes` on a tenth of the task's
    data, and choose `hot_experts` from the counts. The targets of fused experts are their modules
    (`...mlp.experts`); those of experts in a list are their layers, see `expert_targets`. Attention
    and other plain layers among the targets get plain LoRA.

    Trainable parameters of fused experts of width w: hot experts * r * (2 in + 3 w), because gate
    and up projection are one weight. Parameters of a plain layer: r (in + out).

    Shapes: hidden states (tokens, in); A (hot, r, in), B (hot, out, r). Plain layers: x (..., in).

    Args:
        experts: the hot experts by the name of their module; `None` means all experts.

    Source: arXiv 2605.18795; equations and protocol from notes of the paper.
    """

    experts: dict[str, list[int]] | None = None


def hot_block(name: str, experts: Mapping[str, Sequence[int]]) -> str | None:
    """Return the mixture whose list holds the expert of a layer, if it has hot experts.

    Args:
        name: the name of the layer, `<mixture>.<number>.<layer>`.
        experts: hot experts by the name of the mixture.
    """
    return next((block for block in experts if name.startswith(f"{block}.")), None)


def _hot(base: Any, config: HelloraConfig, key: str) -> list[int]:
    """Return the experts of a fused module that have factors, ascending.

    Raises:
        AdapterError: the config names no expert of the module, or one that does not exist.
    """
    count = len(base.down_proj)
    if config.experts is None:
        return list(range(count))
    chosen = config.experts.get(key, [])
    if not chosen or len(set(chosen)) < len(chosen) or set(chosen) - set(range(count)):
        rule = f"at least one number from 0 to {count - 1} is needed, each at most once"
        remedy = "Take `experts` and the targets from scionwood_methods.hellora.routes"
        raise AdapterError(f"experts {chosen} of {key}", rule, remedy)
    return sorted(chosen)


def _check_hot(config: HelloraConfig, key: str) -> None:
    """Check that the expert of a listed layer is hot.

    Raises:
        AdapterError: it is not; names the layer.
    """
    block = hot_block(key, config.experts or {})
    if config.experts is None or block is None:
        return
    number = key.removeprefix(f"{block}.").partition(".")[0]
    if number not in map(str, config.experts[block]):
        remedy = "Take the targets from scionwood_methods.hellora.routes.expert_targets"
        raise AdapterError(f"hellora on {key}", f"expert {number} is not hot", remedy)
