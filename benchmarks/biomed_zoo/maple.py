"""MaPLe: prompts in the first blocks of both towers; those of images come from those of texts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, final

import torch
from torch import Tensor, nn

from biomed_zoo.base import Method, Shots
from biomed_zoo.training import train
from scionwood import AdapterError
from scionwood_biomed.adapters.dual_anchor.layers import width_of
from scionwood_biomed.model.towers import BLOCKS, ClipBackbone
from scionwood_biomed.tasks.few_shot import prompts
from scionwood_biomed.tasks.wording import TEMPLATE

DEPTH = 9
"""Blocks of each tower with prompts of their own."""


@final
class CoupledPrompts(nn.Module):
    """Prompts of texts in the first blocks, and a linear map of each to prompts of images.

    The first prompt takes the place of the template's words, and starts at them. In each further
    block, new prompts replace what came out of the block before at these places. The prompts of
    images follow the tokens of the image, and are cut off behind the last block.

    Args:
        backbone: the frozen two-tower model; its vision tower must be a vision transformer.
        template: the words before the class name.

    Raises:
        AdapterError: the blocks of a tower, or the word embedding, are not known.

    Source: Khattak et al. 2023, arXiv:2210.03117, section 3.2, with the depth of 9 of its code.
    """

    def __init__(self, backbone: ClipBackbone, template: str) -> None:
        super().__init__()
        names = [name for name, _ in backbone.named_modules()]
        vision = [name for name in names if re.fullmatch(BLOCKS, name)]
        text = backbone.adapter_targets.get("text_blocks", "")
        text_blocks = [name for name in names if text and re.fullmatch(text, name)]
        widths = {width_of(backbone.get_submodule(name)) for name in vision}
        embedding = backbone.adapter_targets.get("context", "").replace("\\", "")
        if len(vision) < 2 or 0 in widths or not text_blocks or not embedding:
            rule = "both towers must be transformers whose blocks are known"
            raise AdapterError("MaPLe on this model", rule, "Use another method")
        modules = dict(backbone.named_modules())
        # in a tuple, so that they do not become submodules
        self._parts: tuple[list[Any], list[Any], Any] = (
            [modules[name] for name in vision],
            [modules[name] for name in text_blocks],
            modules[embedding],
        )
        self.start, words = backbone.template_tokens(template)
        depth = min(DEPTH, len(vision), len(text_blocks))
        weight = modules[embedding].weight
        first = weight.detach()[torch.tensor(words, device=weight.device)].clone()
        deeper = [torch.randn(first.shape, device=first.device) * 0.02 for _ in range(depth - 1)]
        self.prompts = nn.ParameterList([first, *deeper])
        width = max(widths)
        self.maps = nn.ModuleList(nn.Linear(first.shape[1], width) for _ in range(depth))

    @contextmanager
    def inserted(self) -> Iterator[None]:
        """Insert the prompts into both towers as long as the context lasts."""
        vision, text, embedding = self._parts
        pictures = [
            image(layer_prompt) for image, layer_prompt in zip(self.maps, self.prompts, strict=True)
        ]
        with ExitStack() as stack:
            stack.callback(embedding.register_forward_hook(self._words).remove)
            for block, prompt in zip(text[1:], self.prompts[1:], strict=False):
                hook = block.register_forward_pre_hook(_replacing(prompt, self.start))
                stack.callback(hook.remove)
            append = vision[0].register_forward_pre_hook(_appending(pictures[0]))
            stack.callback(append.remove)
            for block, prompt in zip(vision[1:], pictures[1:], strict=False):
                # The prompts of images are the last tokens, see `_appending`.
                hook = block.register_forward_pre_hook(_replacing(prompt, -len(prompt)))
                stack.callback(hook.remove)
            count = len(pictures[0])
            stack.callback(vision[-1].register_forward_hook(lambda *p: p[2][:, :-count]).remove)
            yield

    def _words(self, _: Any, __: Any, out: Tensor) -> Tensor:
        return _placed(out, self.prompts[0], self.start)


def _placed(tokens: Tensor, prompt: Tensor, start: int) -> Tensor:
    """Return (batch, token, width) with `prompt` (prompt, width) at the places from `start`."""
    before = start if start >= 0 else tokens.shape[1] + start
    prompt = prompt[: tokens.shape[1] - before].to(tokens.dtype).expand(len(tokens), -1, -1)
    return torch.cat([tokens[:, :before], prompt, tokens[:, before + prompt.shape[1] :]], 1)


def _replacing(prompt: Tensor, start: int) -> Any:
    return lambda _, arguments: (_placed(arguments[0], prompt, start), *arguments[1:])


def _appending(prompt: Tensor) -> Any:
    def append(_: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        added = prompt.to(arguments[0].dtype).expand(len(arguments[0]), -1, -1)
        return (torch.cat([arguments[0], added], 1), *arguments[1:])

    return append


@final
class MaPLe(Method):
    """Prompts in the first nine blocks of both towers, trained together."""

    def fit(self, shots: Shots, seed: int) -> None:
        """Train the prompts and their maps."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.coupled = CoupledPrompts(self.backbone, TEMPLATE)
            heads = [self.backbone.get_submodule(name) for name in self.backbone.head]
            self.learned = nn.ModuleList([self.coupled, *heads]).requires_grad_(True)
            tokens = self.backbone.tokenize(prompts(TEMPLATE, shots.classes))

            def loss(batch: dict[str, Any]) -> Tensor:
                with self.coupled.inserted():
                    logits = self.backbone(batch["image"], tokens)
                return nn.functional.cross_entropy(logits, batch["label"])

            train(self.learned, loss, shots, self.settings)

    @torch.no_grad()
    def features(self, image: Tensor) -> Tensor:
        """Return the image features (batch, feature) with the prompts."""
        with self.coupled.inserted():
            return self.backbone.image_features(image)

    def texts(self, texts: Sequence[str], classes: Sequence[str]) -> Tensor:
        """Return the text features (class, feature) with the prompts."""
        with self.coupled.inserted():
            return super().texts(texts, classes)

    def trainable(self) -> int:
        """Return the number of trained parameters."""
        return sum(p.numel() for p in self.learned.parameters())
