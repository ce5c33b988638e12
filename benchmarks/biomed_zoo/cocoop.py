"""The conditional context of CoCoOp: learned offsets of the text context, one set per image."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood import AdapterError
from scionwood_biomed.model.towers import ClipBackbone


@final
class ConditionalContext(nn.Module):
    """Offsets of the template's words: a learned part, and a part computed from the image.

    Args:
        backbone: the frozen two-tower model.
        template: the words before the class name; the offsets are added to their embeddings.

    Shapes: image features (batch, feature) and n texts to logits (batch, n).

    Raises:
        AdapterError: the word embedding of the text tower is not known.

    Source: Zhou et al. 2022, arXiv:2203.05557, with a meta-network of one sixteenth of the width.
        Reconstruction: its last layer starts at zero here, so that training starts at zero-shot.
    """

    def __init__(self, backbone: ClipBackbone, template: str) -> None:
        super().__init__()
        if "context" not in backbone.adapter_targets:
            rule = "the word embedding of its text tower is not known"
            raise AdapterError("CoCoOp on this model", rule, "Use another method")
        name = backbone.adapter_targets["context"].replace("\\", "")
        embedding: Any = backbone.get_submodule(name)
        self._embedding = [embedding]  # in a list, so that it does not become a submodule
        self.start, words = backbone.template_tokens(template)
        width = embedding.weight.shape[1]
        self.offsets = nn.Parameter(torch.zeros(len(words), width))
        blank = torch.zeros(1, 3, backbone.size, backbone.size, device=embedding.weight.device)
        features = int(backbone.image_features(blank).shape[1])
        self.narrow = nn.Linear(features, max(features // 16, 1))
        self.wide = nn.Linear(max(features // 16, 1), width)
        nn.init.zeros_(self.wide.weight)
        nn.init.zeros_(self.wide.bias)

    def logits(self, backbone: ClipBackbone, features: Tensor, texts: list[str]) -> Tensor:
        """Return (batch, text): each image against texts with its own offsets.

        Args:
            backbone: the frozen two-tower model.
            features: (batch, feature), of unit length.
            texts: one prompt per class.
        """
        context = self.offsets + self.wide(F.relu(self.narrow(features)))[:, None]
        tokens = backbone.tokenize(texts)
        repeated = context.repeat_interleave(len(tokens), 0)

        def add_offsets(_: Any, __: Any, out: Tensor) -> Tensor:
            room = out.shape[1] - self.start
            after = max(0, room - repeated.shape[1])
            return out + F.pad(repeated[:, :room], (0, 0, self.start, after))

        hook = self._embedding[0].register_forward_hook(add_offsets)
        try:
            text = backbone.text_features(tokens.repeat(len(features), 1))
        finally:
            hook.remove()
        return backbone.logits(features, text.reshape(len(features), len(tokens), -1))
