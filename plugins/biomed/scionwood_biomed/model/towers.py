"""A two-tower model as one module that computes the similarity of images and texts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood import AdapterError
from scionwood_biomed.model.load import Loaded, load

BLOCKS = r"clip\.visual\.((trunk\.blocks|transformer\.resblocks)\.\d+|mix)"
WORDS = r"clip\.(text\.)?(token_embedding|transformer\.embeddings\.word_embeddings)"
TEXT_BLOCKS = r"clip\.(text\.)?transformer\.(encoder\.layer|resblocks)\.\d+"
ATTENTION = r"clip\..*\.(qkv|query|value|attn|q_proj|v_proj)|clip\.visual\.mix"


@final
class ClipBackbone(nn.Module):
    """A two-tower model of open_clip, such as BiomedCLIP, OpenAI's CLIP or SigLIP.

    Its logits are `s v . t + b`, with normalised features v of images and t of texts.

    For BiomedCLIP use `model: microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224`, or the
    folder into which it was downloaded. A folder is loaded without the network if `hf_model_name`
    and `hf_tokenizer_name` in its `open_clip_config.json` are folders too.

    Args:
        model: `tiny` (random weights, the architecture of BiomedCLIP), a folder, a name on the hub,
            or an architecture of open_clip.
        weights: weights of an architecture: a tag of open_clip, or a file; `None` means random.
        train_projection: also train the layer from image features to the space of texts, beside
            the adapter; for towers that were not trained together.
        init_seed: seed of random weights.

    Shapes: image (batch, 3, size, size) float32 and tokens (text, token) int64 to (batch, text).

    Units: images from 0 (black) to 1 (white); the result is logits, whose softmax over the texts
        gives probabilities.

    Raises:
        WeightsError: no model can be loaded by this name.
        AdapterError: the projection should train, and the vision tower has none.

    Source: Radford et al. 2021, arXiv:2103.00020; Zhang et al. 2023, arXiv:2303.00915 (BiomedCLIP);
        Ilharco et al. 2021 (open_clip).

    Attributes:
        size: side of an image in pixels.
        context_length: maximum number of tokens of a text.
    """

    def __init__(
        self,
        *,
        model: str = "tiny",
        weights: str | None = None,
        train_projection: bool = False,
        init_seed: int = 0,
    ) -> None:
        super().__init__()
        tiny = model == "tiny"
        card = {
            "architecture": f"open_clip, {model.rstrip('/').rpartition('/')[2]}",
            "weights": "random, seeded" if tiny else (weights or "those of the model"),
            "licence": "none (random weights)" if tiny else "see the model's own card",
        }
        self._adopt(load(model, weights=weights, seed=init_seed), card, train_projection)

    @classmethod
    def of(cls, loaded: Loaded, card: dict[str, str]) -> ClipBackbone:
        """Return a backbone of a two-tower model in memory.

        Args:
            loaded: the model with its preprocessing.
            card: entries for the adapter card.
        """
        backbone = cls.__new__(cls)
        nn.Module.__init__(backbone)
        backbone._adopt(loaded, card, train_projection=False)
        return backbone

    def _adopt(self, loaded: Loaded, card: dict[str, str], train_projection: bool) -> None:
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
        """Return the logits.

        Args:
            image: (batch, 3, size, size) float32, from 0 (black) to 1 (white).
            tokens: (text, token) int64.

        Returns:
            (batch, text).
        """
        return self.logits(self.image_features(image), self.text_features(tokens))

    def image_features(self, image: Tensor) -> Tensor:
        """Return the normalised image features, (batch, feature).

        Args:
            image: (batch, 3, size, size) float32, from 0 (black) to 1 (white).

        Raises:
            AdapterError: the image has another size.
        """
        features: Tensor = self.clip.encode_image(self.normalised(image))
        return F.normalize(features, dim=-1)

    def normalised(self, image: Tensor) -> Tensor:
        """Return images less the mean of the tower, over its standard deviation.

        Args:
            image: (batch, 3, size, size) float32, from 0 (black) to 1 (white).

        Raises:
            AdapterError: the image has another size.
        """
        if image.shape[-2:] != (self.size, self.size):
            rule = f"the tower takes {self.size} x {self.size}"
            remedy = f"Set data.size to {self.size}"
            raise AdapterError(f"images of {tuple(image.shape[-2:])}", rule, remedy)
        return (image - self._mean) / self._std

    def text_features(self, tokens: Tensor) -> Tensor:
        """Return the normalised text features, (text, feature), of tokens (text, token) int64."""
        return F.normalize(self.clip.encode_text(tokens), dim=-1)

    def logits(self, image: Tensor, text: Tensor) -> Tensor:
        """Return the logits, (batch, text).

        Args:
            image: (batch, feature), normalised.
            text: (text, feature), or (batch, text, feature) with own texts per image, normalised.
        """
        similarity = image @ text.T if text.ndim == 2 else (image[:, None] * text).sum(-1)
        bias = getattr(self.clip, "logit_bias", None)
        scaled: Tensor = self.clip.logit_scale.exp() * similarity
        return scaled if bias is None else scaled + bias

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """Return (text, token) int64 on the device; BERT's padding is cut to the longest text."""
        tokens: Tensor = self.tokenizer(list(texts))
        config = getattr(getattr(self.clip, "text", None), "config", None)
        if config is not None and getattr(config, "pad_token_id", None) is not None:
            used = (tokens != config.pad_token_id).sum(1).max()
            tokens = tokens[:, : max(int(used), 1)]
        return tokens.to(self._mean.device)

    def template_tokens(self, template: str) -> tuple[int, list[int]]:
        """Return the position of the template's first token in a prompt, and the tokens.

        Args:
            template: the words before the class name, such as `a photo of a`.
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
        """Return two noise images and the prompts of three classes."""
        tokens = self.tokenize(["a photo of a cyst", "a photo of a lesion", "a photo of tissue"])
        return torch.rand(2, 3, self.size, self.size), tokens


def _follows(with_words: Tensor, without: Tensor, start: int, length: int) -> bool:
    """Return whether, after `length` tokens, the text continues like the text without them."""
    ending = with_words[start + length : start + length + 2]
    return bool((ending == without[start : start + 2]).all())


def _presets(model: nn.Module, names: list[str]) -> dict[str, str]:
    """Return the presets of targets that match modules of this model, as regular expressions."""
    offers = {
        "attention": ATTENTION,
        "dual": f"{BLOCKS}|{WORDS}",
        "vision": r"clip\.visual\.(.*\.(qkv|query|value|attn)|mix)",
        "context": WORDS,
        "text_blocks": TEXT_BLOCKS,
        "dual-lora": f"{BLOCKS}|{WORDS}|{TEXT_BLOCKS}",
    }
    presets = {}
    for preset, pattern in offers.items():
        matches = [name for name in names if re.fullmatch(pattern, name)]
        if preset in ("attention", "vision"):
            matches = [name for name in matches if _adaptable(model.get_submodule(name))]
        if matches:
            presets[preset] = "|".join(re.escape(name) for name in matches)
    return presets


def _projection(model: ClipBackbone) -> str:
    """Return the name of the projection behind the pooling of the vision tower."""
    head = getattr(model.clip.visual, "head", None)
    if not isinstance(head, nn.Module) or not list(head.parameters()):
        rule = "its vision tower has no projection module with parameters"
        raise AdapterError("train_projection on this model", rule, "Leave it out")
    return "clip.visual.head"


def _adaptable(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear | nn.MultiheadAttention)
