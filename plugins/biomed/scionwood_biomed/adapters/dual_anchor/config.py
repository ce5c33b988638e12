"""The options of the adapter, and the tuner that inserts its layers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, final

from peft import PeftConfig
from torch import nn

from scionwood import AdapterError
from scionwood.authoring import LayerTuner, peft_method
from scionwood_biomed.adapters.dual_anchor.layers import (
    ContextLayer,
    DualAnchorLayer,
    PromptLayer,
    width_of,
)

FUSED = (5 / 12, 8 / 12)
"""Default positions of the fusions in a stack of blocks: blocks 5 and 8 of 12."""


@final
class DualAnchorModel(LayerTuner):
    """The tuner: prompts go into the targeted blocks, offsets into the targeted embedding."""

    prefix = "dual_anchor_"
    tuner_layer_cls = DualAnchorLayer

    def prepare(self, model: nn.Module, config: Any, name: str, keys: list[str]) -> None:
        """Choose the blocks with a fusion, and look up the tokens of the template.

        Raises:
            AdapterError: an index of `fusion` is beyond the last block, two embeddings are
                targeted, or blocks of the text tower are targeted without a rank.
        """
        modules = dict(model.named_modules())
        bare = {key: getattr(modules[key], "base_layer", modules[key]) for key in keys}
        embeddings = {key: m for key, m in bare.items() if isinstance(m, nn.Embedding)}
        self._of_text = set(_text_blocks(model, keys))
        if self._of_text and not config.rank:
            rule = "prompts are for the vision tower; blocks of the text tower need a rank"
            remedy = "Set rank, for example to 4"
            raise AdapterError(f"dual_anchor on {min(self._of_text)}", rule, remedy)
        if len(embeddings) > 1:
            rule = "there is one text context"
            raise AdapterError("dual_anchor on two embeddings", rule, "Target one embedding")
        self._fused = _fused(
            config, [key for key in keys if key not in self._of_text | embeddings.keys()]
        )
        self._text = next((m.embedding_dim for m in embeddings.values()), None)
        self._contexts: list[ContextLayer] = []
        if embeddings and config.context is None:
            config.context_start, config.context = _template(model, config.template)

    def wrap(self, target: nn.Module, key: str) -> nn.Module:
        """Return the layer for a block or for the word embedding.

        Raises:
            AdapterError: the module has no tokens to which prompts could be added.
        """
        return _layer(target, key, key in self._of_text)

    def fill(self, layer: Any, config: Any, name: str, key: str) -> None:
        """Add the parts of an adapter that belong to a layer."""
        if key in self._of_text:
            layer.add_low_rank(name, config)
        elif isinstance(layer, ContextLayer):
            layer.add(name, config)
            self._contexts.append(layer)
        else:
            fused, contexts = key in self._fused, self._contexts
            layer.add(name, config, fused=fused, text=self._text, contexts=contexts)


@peft_method("dual_anchor", tuner=DualAnchorModel)
@final
@dataclass
class DualAnchorConfig(PeftConfig):  # type: ignore[misc]  # peft is untyped
    """Visual prompts in the blocks, a text context, and gated fusions of both in a bottleneck.

    Each targeted block of the vision tower gets `prompts` learned tokens beside the image tokens.
    The words of the template get learned offsets. In some blocks, image tokens and text context
    attend to each other. All gates are closed before training, so the adapter starts as the
    identity. The anchors are losses and belong to the task. The text context is the same for all
    classes, in training and in inference. With `prompts: 0` and `fusion: []` the method is CoOp,
    started at the words of the template.

    Trainable parameters, with D and D_t the token widths of the towers, w the bottleneck and k the
    tokens of the template: prompts * D + 1 per block, 2 D w + D_t w + 6 w^2 + D + w per fusion, and
    k D_t for the text context. For BiomedCLIP (D = D_t = 768) this is 0.39 M of 196 M.

    After training, the adapter keeps one anchor a per class (see `kept_anchors`). Anchors are not
    trained. In inference the text feature t of such a class becomes `(1 - keep) t + keep a`,
    normalised, which makes answers less sensitive to the wording of a prompt.

    Shapes: image tokens (batch, token, D) float; text context (k, D_t).

    Args:
        prompts: number of inserted tokens per block.
        width: width w of the bottleneck of a fusion.
        heads: attention heads of a fusion; a divisor of the width.
        fusion: indices, from 0, of the targeted blocks with a fusion; `None` means blocks 5 and 8
            of 12, or the corresponding blocks of another depth.
        template: the words before the class name; their embeddings initialise the text context.
        context: tokens of the template; `None` means that the backbone supplies them. They are
            stored in the saved config.
        context_start: position of the first token of the template in a prompt.
        rank: rank of LoRA on queries and values inside the targeted blocks; 0 means no LoRA. The
            preset `dual-lora` covers both towers.
        keep: weight of the kept anchors in inference, from 0 to 1.
        kept: names of the classes with an anchor, in order; training fills it.
        features: width of an anchor; training fills it.

    Raises:
        AdapterError: an option is out of range.

    Source: a reconstruction of BiomedAP (arXiv:2605.15736) from its abstract, figures and released
        code. In that code the prompts are zeros and the fusion never sees the image. The gates, the
        bottleneck, the order of the two attentions and the kept anchors are this project's; the
        last are inspired by Tip-Adapter (Zhang et al. 2022, arXiv:2207.09519). Inserted prompts:
        Jia et al. 2022, arXiv:2203.12119. Text context: Zhou et al. 2022, arXiv:2109.01134.
    """

    prompts: int = 4
    width: int = 64
    heads: int = 4
    fusion: list[int] | None = None
    template: str = "a photo of a"
    context: list[int] | None = None
    context_start: int = 1
    rank: int = 0
    keep: float = 0.25
    kept: list[str] | None = None
    features: int = 0
    target_modules: list[str] | str | None = None
    modules_to_save: list[str] | None = field(default=None, metadata={"help": "trained in full"})

    def __post_init__(self) -> None:
        super().__post_init__()
        if (
            min(self.prompts, self.rank) < 0
            or self.width < 1
            or self.heads < 1
            or self.width % self.heads
        ):
            value = f"prompts={self.prompts}, width={self.width}, heads={self.heads}"
            rule = "prompts and rank must be 0 or more, and heads must divide the width"
            raise AdapterError(value, rule, "Use for example 4, 64 and 4")
        if not 0 <= self.keep <= 1:
            remedy = "Use 0 to keep no anchors"
            raise AdapterError(f"keep={self.keep}", "a weight must be from 0 to 1", remedy)
        if self.kept is not None and not _distinct(self.kept):
            rule = "it must be a list of distinct class names"
            remedy = "Leave it out: training fills it"
            raise AdapterError(f"kept={str(self.kept)[:80]}", rule, remedy)
        if self.context_start < 0 or any(index < 0 for index in self.fusion or ()):
            value = f"context_start={self.context_start}, fusion={self.fusion}"
            raise AdapterError(value, "positions are counted from 0", "Use 0 or more")


def _distinct(names: Any) -> bool:
    texts = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return texts and len(set(names)) == len(names)


def _fused(config: Any, blocks: list[str]) -> set[str]:
    """Return the names of the blocks with a fusion."""
    if not blocks or not config.prompts:
        return set()
    indices = config.fusion
    if indices is None:
        indices = [int(share * len(blocks)) for share in FUSED]
    if indices and max(indices) >= len(blocks):
        rule = f"{len(blocks)} blocks are targeted, counted from 0"
        raise AdapterError(f"fusion={indices}", rule, "Leave it out, or give smaller indices")
    return {blocks[index] for index in indices}


def _template(model: Any, template: str) -> tuple[int, list[int]]:
    """Return the position and the tokens of the template, as the backbone states them."""
    tokens_of = getattr(model, "template_tokens", None)
    if tokens_of is None:
        rule = "the backbone has no method template_tokens, which gives the template's tokens"
        raise AdapterError(f"template={template!r}", rule, "Give `context`, a list of tokens")
    start: int
    tokens: list[int]
    start, tokens = tokens_of(template)
    return start, tokens


def _text_blocks(model: Any, names: list[str]) -> list[str]:
    pattern = getattr(model, "adapter_targets", {}).get("text_blocks", "(?!)")
    return [name for name in names if re.fullmatch(pattern, name)]


def _layer(target: nn.Module, key: str, of_text: bool) -> DualAnchorLayer:
    if isinstance(target, nn.Embedding):
        return ContextLayer(target)
    layer = PromptLayer(target)
    if of_text or (width_of(target) and (layer.attends or isinstance(target, nn.Linear))):
        return layer
    rule = "a block needs a forward that takes attn_mask, and a LayerNorm as its first norm"
    remedy = "Target blocks of vision transformers of timm or open_clip (preset dual)"
    raise AdapterError(f"{key} ({type(target).__name__})", rule, remedy)
