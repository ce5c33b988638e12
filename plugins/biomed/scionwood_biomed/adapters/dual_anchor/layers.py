"""The layers that the adapter wraps around transformer blocks and around the word embedding."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, final

import torch
from peft.tuners._buffer_dict import BufferDict
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from scionwood_biomed.adapters.dual_anchor.fusion import Fusion
from scionwood_biomed.adapters.dual_anchor.low_rank import LowRank

CLOSED = 1e-12
"""Attention weight of a prompt relative to a token, before training."""

NOT_MERGEABLE = "dual anchors add tokens, and no single weight is equivalent to them"


class DualAnchorLayer(nn.Module, BaseTunerLayer):  # type: ignore[misc]  # peft is untyped
    """A frozen module together with the parts of its adapters, by adapter name.

    Args:
        base: the frozen module.
    """

    adapter_layer_names: tuple[str, ...] = ()
    other_param_names: tuple[str, ...] = ("configs",)

    base_layer: Any
    get_base_layer: Callable[[], Any]  # here and below: members of peft, which is untyped
    active_adapters: list[str]
    _move_adapter_to_device_of_base_layer: Callable[[str], None]

    def __init__(self, base: nn.Module) -> None:
        super().__init__()
        self.base_layer = base
        self.configs: dict[str, Any] = {}
        self._disable_adapters, self.merged_adapters = False, list[str]()

    def acting(self) -> list[str]:
        """Return the names of the adapters that take part in the forward pass."""
        if self.disable_adapters:
            return []
        return [name for name in self.active_adapters if name in self.configs]

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Refuse to merge.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(NOT_MERGEABLE)

    def unmerge(self) -> None:
        """Do nothing, because these layers are never merged."""


@final
class ContextLayer(DualAnchorLayer):
    """The word embedding, with learned offsets at the positions of the template.

    The offsets start at zero. With the template `a photo of a`, the text context has four tokens:
    the embeddings of these words plus the offsets. The layer also stores the kept anchors of an
    adapter, which do not affect its output.
    """

    dual_anchor_context: Any
    dual_anchor_kept: Any
    adapter_layer_names = ("dual_anchor_context",)
    other_param_names = ("configs", "dual_anchor_kept")

    def __init__(self, base: nn.Module) -> None:
        super().__init__(base)
        self.dual_anchor_context = nn.ParameterDict()
        self.dual_anchor_kept = BufferDict(persistent=True)

    def add(self, name: str, config: Any) -> None:
        """Add the offsets of an adapter."""
        width = self.base_layer.weight.shape[1]
        self.configs[name] = config
        self.dual_anchor_context[name] = nn.Parameter(torch.zeros(len(config.context), width))
        if config.kept:
            self.dual_anchor_kept[name] = torch.zeros(len(config.kept), config.features)
        self._move_adapter_to_device_of_base_layer(name)

    def context(self, name: str) -> Tensor:
        """Return the text context of an adapter, (k, width)."""
        offsets: Tensor = self.dual_anchor_context[name]
        words = torch.tensor(self.configs[name].context, device=offsets.device)
        return F.embedding(words, self.base_layer.weight.detach()).to(offsets) + offsets

    def forward(self, tokens: Tensor) -> Tensor:
        """Embed tokens: (text, token) int64 to (text, token, width)."""
        out: Tensor = self.base_layer(tokens)
        for name in self.acting():
            offsets, start = self.dual_anchor_context[name], self.configs[name].context_start
            room = out.shape[1] - start
            after = max(0, room - len(offsets))
            out = out + F.pad(offsets[:room], (0, 0, start, after)).to(out.dtype)
        return out


@final
class PromptLayer(DualAnchorLayer):
    """A transformer block with inserted prompts, and optionally a fusion with the text context.

    The prompts are appended to the tokens. `log g` is added to their columns of the attention
    logits, which multiplies their attention weights by the learned gate g. The gate starts closed,
    at 1e-12. The block's outputs at the prompts have attended to the image. They enter the fusion
    but not the next block, which has its own prompts. With a rank, the projections of the block get
    low-rank updates; blocks of the text tower get nothing else.
    """

    dual_anchor_prompts: Any
    dual_anchor_gate: Any
    dual_anchor_fusion: Any
    dual_anchor_lora: Any
    adapter_layer_names = (
        "dual_anchor_prompts",
        "dual_anchor_gate",
        "dual_anchor_fusion",
        "dual_anchor_lora",
    )
    other_param_names = ("configs", "contexts")

    def __init__(self, base: nn.Module) -> None:
        super().__init__(base)
        self.dual_anchor_prompts, self.dual_anchor_gate = nn.ParameterDict(), nn.ParameterDict()
        self.dual_anchor_fusion, self.dual_anchor_lora = nn.ModuleDict(), nn.ModuleDict()
        self.contexts: dict[str, list[ContextLayer]] = {}
        self.attends = "attn_mask" in inspect.signature(base.forward).parameters

    def add(
        self, name: str, config: Any, *, fused: bool, text: int | None, contexts: list[ContextLayer]
    ) -> None:
        """Add the prompts of an adapter.

        Args:
            name: name of the adapter.
            config: configuration of the adapter.
            fused: whether this block has a fusion.
            text: width of the text context; `None` if there is none.
            contexts: list that will hold the layer of the text context, which may be added later.
        """
        width = width_of(self.base_layer)
        self.configs[name], self.contexts[name] = config, contexts
        if config.prompts:
            # The bound of Xavier, sqrt(6 / (in + out)), with both equal to the width.
            prompts = torch.empty(config.prompts, width).uniform_(-1, 1)
            self.dual_anchor_prompts[name] = nn.Parameter(prompts * (6 / (2 * width)) ** 0.5)
            if self.attends:
                self.dual_anchor_gate[name] = nn.Parameter(torch.full((1,), CLOSED))
        if fused:
            fusion = Fusion(width_out(self.base_layer), text, config.width, config.heads)
            self.dual_anchor_fusion[name] = fusion
        self.add_low_rank(name, config)

    def add_low_rank(self, name: str, config: Any) -> None:
        """Add the low-rank updates of an adapter to the block's weights, if it has a rank."""
        self.configs[name] = config
        if config.rank:
            self.dual_anchor_lora[name] = LowRank(self.base_layer, config.rank)
        self._move_adapter_to_device_of_base_layer(name)

    def forward(self, x: Tensor, *arguments: Any, **options: Any) -> Any:
        """Run the block: (batch, token, width), or (batch, width) as single tokens, to the same."""
        names = [name for name in self.acting() if name in self.dual_anchor_prompts]
        if not names:
            return self._block(x, *arguments, **options)
        tokens = x if x.ndim == 3 else x.unsqueeze(1)
        image, prompts = self._run(tokens, names, arguments, options)
        for name, adapter_prompts in zip(names, prompts, strict=True):
            if name in self.dual_anchor_fusion:
                context = self.text_context(name)
                image = image + self.dual_anchor_fusion[name](image, adapter_prompts, context)[
                    0
                ].to(image)
        return image if x.ndim == 3 else image.squeeze(1)

    def text_context(self, name: str) -> Tensor | None:
        """Return the text context (k, width), or `None` if there is none."""
        layers = self.contexts[name]
        return layers[0].context(name) if layers else None

    def get_weight_dtype(self) -> torch.dtype:
        """Return the dtype of the block's weights; the text tower of open_clip needs it."""
        dtype: torch.dtype = self.base_layer.get_weight_dtype()
        return dtype

    def _block(self, x: Tensor, *arguments: Any, **options: Any) -> Any:
        """Run the block with its low-rank updates."""
        names = [name for name in self.acting() if name in self.dual_anchor_lora]
        if not names:
            return self.base_layer(x, *arguments, **options)
        weights: dict[str, Tensor] = {}
        for name in names:
            for key, change in self.dual_anchor_lora[name].changes().items():
                weight = weights.get(key, self.base_layer.get_parameter(key))
                weights[key] = weight + change.to(weight.dtype)
        return functional_call(self.base_layer, weights, (x, *arguments), options)

    def _run(
        self, tokens: Tensor, names: list[str], arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the block's output at the tokens, and at the prompts of each adapter."""
        adapter_prompts = [self.dual_anchor_prompts[name].to(tokens.dtype) for name in names]
        added = torch.cat(adapter_prompts).expand(tokens.shape[0], -1, -1)
        if self.attends:
            sizes = [len(prompts) for prompts in adapter_prompts]
            options["attn_mask"] = self._mask(tokens.shape[1], names, sizes).to(tokens.dtype)
        out = self._block(torch.cat([tokens, added], 1), *arguments, **options)
        image, *prompts = out.split([tokens.shape[1], *map(len, adapter_prompts)], 1)
        return image, prompts

    def _mask(self, tokens: int, names: list[str], sizes: list[int]) -> Tensor:
        """Return what is added to the attention logits, (token, token)."""
        # The optimiser may step below 0, where the logarithm ends.
        gates = [self.dual_anchor_gate[name].abs().clamp_min(CLOSED).log() for name in names]
        row = torch.cat([gate.expand(size) for gate, size in zip(gates, sizes, strict=True)])
        return F.pad(row, (tokens, 0)).expand(tokens + len(row), -1)


def width_of(block: nn.Module) -> int:
    """Return the width of the tokens that a block takes; 0 if it is unknown."""
    if isinstance(block, nn.Linear):
        return block.in_features
    norms = (getattr(block, name, None) for name in ("norm1", "ln_1"))
    shapes = [norm.normalized_shape[0] for norm in norms if isinstance(norm, nn.LayerNorm)]
    return int(shapes[0]) if shapes else 0


def width_out(block: nn.Module) -> int:
    """Return the width of the tokens that a block returns."""
    return block.out_features if isinstance(block, nn.Linear) else width_of(block)
