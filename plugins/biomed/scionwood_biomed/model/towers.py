"""Two towers as one module: how alike images and texts are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood import AdapterError
from scionwood_biomed.model.load import Loaded

BLOCKS = r"clip\.visual\.((trunk\.blocks|transformer\.resblocks)\.\d+|mix)"
WORDS = r"clip\.(text\.)?(token_embedding|transformer\.embeddings\.word_embeddings)"
TEXT_BLOCKS = r"clip\.(text\.)?transformer\.(encoder\.layer|resblocks)\.\d+"
ATTENTION = r"clip\..*\.(qkv|query|value|attn|q_proj|v_proj)|clip\.visual\.mix"


@final
class ClipBackbone(nn.Module):
    """Logits of images against texts, `s v . t + b` with normalised v and t.

    Args:
        loaded: the towers.
        card: texts about them.
        train_projection: let the projection of image features train beside an adapter.

    Raises:
        AdapterError: it should train, and the vision tower has none that is a module.

    Attributes:
        size: pixels a side of an image.
        context_length: the most tokens of a text.
    """

    def __init__(
        self, loaded: Loaded, card: dict[str, str], *, train_projection: bool = False
    ) -> None:
        super().__init__()
        self.clip: Any = loaded.model
        self.head = (_projection(self),) if train_projection else ()
        self.size, self.card = loaded.size, card
        self.mean, self.std = loaded.mean, loaded.std
        self._mean: Tensor
        self._std: Tensor
        self.register_buffer("_mean", torch.tensor(loaded.mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("_std", torch.tensor(loaded.std).view(-1, 1, 1), persistent=False)
        self.tokenizer: Any = loaded.tokenizer
        self.context_length = int(loaded.tokenizer.context_length)
        self.clip.requires_grad_(True)
        names = [name for name, _ in self.named_modules()]
        self.adapter_targets = _presets(self, names)

    def forward(self, image: Tensor, tokens: Tensor) -> Tensor:
        """The logits.

        Args:
            image: (batch, 3, size, size) float32, 0 black to 1 white.
            tokens: (text, token) int64.

        Returns:
            (batch, text).
        """
        return self.logits(self.image_features(image), self.text_features(tokens))

    def image_features(self, image: Tensor) -> Tensor:
        """(batch, 3, size, size), 0 to 1, to (batch, feature) of length 1."""
        if image.shape[-2:] != (self.size, self.size):
            rule = f"the tower takes {self.size} x {self.size}"
            raise AdapterError(f"images of {tuple(image.shape[-2:])}", rule, "Set data.size to it")
        features: Tensor = self.clip.encode_image((image - self._mean) / self._std)
        return F.normalize(features, dim=-1)

    def text_features(self, tokens: Tensor) -> Tensor:
        """(text, token) to (text, feature) of length 1."""
        return F.normalize(self.clip.encode_text(tokens), dim=-1)

    def logits(self, image: Tensor, text: Tensor) -> Tensor:
        """(batch, feature) and (text, feature), or (batch, text, feature), to (batch, text)."""
        alike = image @ text.T if text.ndim == 2 else (image[:, None] * text).sum(-1)
        bias = getattr(self.clip, "logit_bias", None)
        scaled: Tensor = self.clip.logit_scale.exp() * alike
        return scaled if bias is None else scaled + bias

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """Texts to (text, token) int64 on the device; BERT's padding is cut to the longest."""
        tokens: Tensor = self.tokenizer(list(texts))
        config = getattr(getattr(self.clip, "text", None), "config", None)
        if config is not None and getattr(config, "pad_token_id", None) is not None:
            used = (tokens != config.pad_token_id).sum(1).max()
            tokens = tokens[:, : max(int(used), 1)]
        return tokens.to(self._mean.device)

    def template_tokens(self, template: str) -> tuple[int, list[int]]:
        """Where the words of a template begin in a prompt, and their tokens.

        Args:
            template: the words before the class, such as `a photo of a`.
        """
        first, second = self.tokenizer(["a", "x"])
        start = int(first[0] == second[0])
        with_words, without = self.tokenizer([f"{template} x", "x"])
        used = int((with_words != without).nonzero().max()) + 1 if template else start
        length = next(
            (n for n in range(used - start, 0, -1) if _follows(with_words, without, start, n)), 0
        )
        return start, with_words[start : start + length].tolist()

    def example_input(self) -> tuple[Tensor, ...]:
        """Two images of noise and the prompts of three classes."""
        tokens = self.tokenize(["a photo of a cyst", "a photo of a lesion", "a photo of tissue"])
        return torch.rand(2, 3, self.size, self.size), tokens


def _follows(with_words: Tensor, without: Tensor, start: int, length: int) -> bool:
    """Whether the text goes on after `length` words as the one without them begins."""
    rest = with_words[start + length : start + length + 2]
    return bool((rest == without[start : start + 2]).all())


def _presets(model: nn.Module, names: list[str]) -> dict[str, str]:
    """What each kind of target is called in this model, as patterns that match."""
    import re

    offers = {
        "attention": ATTENTION,
        "dual": f"{BLOCKS}|{WORDS}",
        "vision": r"clip\.visual\.(.*\.(qkv|query|value|attn)|mix)",
        "context": WORDS,
        "text_blocks": TEXT_BLOCKS,
        "dual-lora": f"{BLOCKS}|{WORDS}|{TEXT_BLOCKS}",
    }
    kept = {}
    for preset, pattern in offers.items():
        found = [name for name in names if re.fullmatch(pattern, name)]
        if preset in ("attention", "vision"):
            found = [n for n in found if _adaptable(model.get_submodule(n))]
        if found:
            kept[preset] = "|".join(re.escape(name) for name in found)
    return kept


def _projection(model: ClipBackbone) -> str:
    """The name of the module behind the vision tower's pooling."""
    found = getattr(model.clip.visual, "head", None)
    if not isinstance(found, nn.Module) or not list(found.parameters()):
        rule = "its vision tower has no module that projects into the space of texts"
        raise AdapterError("train_projection on this model", rule, "Leave it out")
    return "clip.visual.head"


def _adaptable(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear | nn.MultiheadAttention)
