"""The adapter's options and what puts its layers in place."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

from peft import PeftConfig
from peft.tuners.tuners_utils import BaseTuner
from torch import Tensor, nn

from scionwood import AdapterError, peft_method
from scionwood_biomed.adapters.dual_anchor.layers import (
    ContextLayer,
    DualAnchorLayer,
    PromptLayer,
    width_of,
)

FUSED = (5 / 12, 8 / 12)
"""Where the fusions are in a stack of blocks, unless the config says: blocks 5 and 8 of 12."""


@final
class DualAnchorModel(BaseTuner):  # type: ignore[misc]  # peft is untyped
    """Puts prompts into the targeted blocks and offsets onto the targeted embedding."""

    prefix = "dual_anchor_"
    tuner_layer_cls = DualAnchorLayer
    target_module_mapping: ClassVar[dict[str, list[str]]] = {}

    def inject_adapter(
        self,
        model: nn.Module,
        adapter_name: str,
        autocast_adapter_dtype: bool = True,
        low_cpu_mem_usage: bool = False,
        state_dict: dict[str, Tensor] | None = None,
    ) -> None:
        """Put the layers in place; which blocks get a fusion is known before.

        Raises:
            AdapterError: an index of `fusion` names no block, or two embeddings are targeted.
        """
        config: Any = self.peft_config[adapter_name]
        modules = dict(model.named_modules())
        found = {n: m for n, m in modules.items() if self._check_target_module_exists(config, n)}
        bare = {n: getattr(m, "base_layer", m) for n, m in found.items()}
        words = [m for m in bare.values() if isinstance(m, nn.Embedding)]
        self._of_text = set(_text_blocks(model, list(bare)))
        if self._of_text and not config.rank:
            rule = "prompts go into the vision tower, and blocks of the text tower need a rank"
            raise AdapterError(f"dual_anchor on {min(self._of_text)}", rule, "Give rank, such as 4")
        blocks = [
            name
            for name, m in bare.items()
            if not isinstance(m, nn.Embedding) and name not in self._of_text
        ]
        if len(words) > 1:
            raise AdapterError("dual_anchor on two embeddings", "the text has one", "Target one")
        self._text = words[0].embedding_dim if words else None
        self._fused = _fused(config, blocks)
        self._contexts: list[ContextLayer] = []
        if words and config.context is None:
            config.context_start, config.context = _template(model, config.template)
        rest = (autocast_adapter_dtype, low_cpu_mem_usage, state_dict)
        super().inject_adapter(model, adapter_name, *rest)

    def _create_and_replace(
        self,
        peft_config: Any,
        adapter_name: str,
        target: nn.Module,
        target_name: str,
        parent: nn.Module,
        current_key: str,
        parameter_name: str | None = None,
    ) -> None:
        known = isinstance(target, DualAnchorLayer)
        of_text = current_key in self._of_text
        layer: Any = target if known else _layer(target, current_key, of_text)
        if of_text:
            layer.add_low_rank(adapter_name, peft_config)
        elif isinstance(layer, ContextLayer):
            layer.add(adapter_name, peft_config)
            self._contexts.append(layer)
        else:
            fused = current_key in self._fused
            layer.add(
                adapter_name,
                peft_config,
                fused=fused,
                text=self._text,
                contexts=self._contexts,
            )
        if not known:
            self._replace_module(parent, target_name, layer, target)

    def _replace_module(
        self, parent: nn.Module, child_name: str, new_module: nn.Module, child: nn.Module
    ) -> None:
        """Put a module in the place of another, which need not have a weight as in peft."""
        setattr(parent, child_name, new_module)
        new_module.train(child.training)


@peft_method("dual_anchor", tuner=DualAnchorModel)
@final
@dataclass
class DualAnchorConfig(PeftConfig):  # type: ignore[misc]  # peft is untyped
    """Visual prompts in the blocks, a text context, and gated fusions of both in a bottleneck.

    Each targeted block of the vision tower sees `prompts` learned tokens beside those of the image;
    the words of the template get learned offsets; in some blocks the image's tokens and the text
    context look at each other. All gates are closed at first. The anchors are losses, and belong to
    the task. The text context is the same in training and inference and for all classes. With
    `prompts: 0` and `fusion: []` it is CoOp, started at the template's words.

    Trainable parameters: of a block prompts * D + 1; of a fusion 2 D w + D_t w + 6 w^2 + D + w; of
    the text context k D_t. With BiomedCLIP (D = D_t = 768) 0.39 M of 196 M.

    After training it keeps an anchor of each class that it learned (`kept.keep`), which nothing
    trains: in inference the text of that class becomes `(1 - keep) t + keep a`, of length 1, so
    that an answer hangs less on how a prompt is worded.

    Shapes: tokens of images (batch, token, D) float; of the context (k, D_t), k the tokens of the
        template.

    Args:
        prompts: inserted tokens a block.
        width: w, of the bottleneck of a fusion.
        heads: of a fusion's attention, a divisor of the width.
        fusion: which of the targeted blocks fuse, counted from 0; null: blocks 5 and 8 of 12, or
            what corresponds in another depth.
        template: the words before the class, whose embeddings are the text context at first.
        context: tokens of the template; found where null, and kept in the saved config.
        context_start: where they begin in a prompt.
        rank: of LoRA on queries and values inside the targeted blocks; 0 for none. With the preset
            `dual-lora` it is on both towers.
        keep: the weight of kept anchors in inference, from 0 to 1.
        kept: the classes with an anchor, in order; found in training.
        features: width of an anchor.

    Raises:
        AdapterError: an option is out of range.

    Source: a reconstruction of BiomedAP (arXiv:2605.15736) from its abstract, its figures and its
        released code, whose prompts hold zeros and whose fusion never sees the image; the gates,
        the bottleneck, the order of the two attentions and kept anchors are this project's (the
        latter after Tip-Adapter, Zhang et al. 2022, arXiv:2207.09519). Inserted prompts:
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
    modules_to_save: list[str] | None = field(default=None, metadata={"help": "trained whole"})

    def __post_init__(self) -> None:
        super().__post_init__()
        if (
            min(self.prompts, self.rank) < 0
            or self.width < 1
            or self.heads < 1
            or self.width % self.heads
        ):
            value = f"prompts={self.prompts}, width={self.width}, heads={self.heads}"
            rule = "prompts and rank are 0 or more, and heads divide the width"
            raise AdapterError(value, rule, "Such as 4, 64 and 4")
        if not 0 <= self.keep <= 1:
            raise AdapterError(f"keep={self.keep}", "a weight is from 0 to 1", "0 keeps none")
        if self.kept is not None and not _distinct(self.kept):
            rule = "kept anchors are known by distinct names of classes"
            raise AdapterError(
                f"kept={str(self.kept)[:80]}", rule, "Leave it out: training fills it"
            )
        if self.context_start < 0 or any(index < 0 for index in self.fusion or ()):
            value = f"context_start={self.context_start}, fusion={self.fusion}"
            raise AdapterError(value, "places are counted from 0")


def _distinct(names: Any) -> bool:
    texts = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return texts and len(set(names)) == len(names)


def _fused(config: Any, blocks: list[str]) -> set[str]:
    """The names of the blocks with a fusion."""
    if not blocks or not config.prompts:
        return set()
    wanted = config.fusion
    if wanted is None:
        wanted = [int(share * len(blocks)) for share in FUSED]
    if wanted and max(wanted) >= len(blocks):
        rule = f"{len(blocks)} blocks are targeted, counted from 0"
        raise AdapterError(f"fusion={wanted}", rule, "Leave it out, or name others")
    return {blocks[index] for index in wanted}


def _template(model: Any, template: str) -> tuple[int, list[int]]:
    finds = getattr(model, "template_tokens", None)
    if finds is None:
        rule = "the backbone does not say which tokens the template has (template_tokens)"
        raise AdapterError(f"template={template!r}", rule, "Give `context`, a list of tokens")
    found: tuple[int, list[int]] = finds(template)
    return found


def _text_blocks(model: Any, names: list[str]) -> list[str]:
    pattern = getattr(model, "adapter_targets", {}).get("text_blocks", "(?!)")
    return [name for name in names if re.fullmatch(pattern, name)]


def _layer(target: nn.Module, key: str, of_text: bool) -> DualAnchorLayer:
    if isinstance(target, nn.Embedding):
        return ContextLayer(target)
    layer = PromptLayer(target)
    if of_text or (width_of(target) and (layer.attends or isinstance(target, nn.Linear))):
        return layer
    rule = (
        "prompts go into blocks whose forward takes attn_mask and whose first norm is a LayerNorm"
    )
    remedy = "Target blocks of timm's or open_clip's vision transformers (preset dual)"
    raise AdapterError(f"{key} ({type(target).__name__})", rule, remedy)
