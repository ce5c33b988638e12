"""BiomedCoOp: a learned context that stays near an ensemble of sentences, and learns from it."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from biomed_zoo.base import Method, Shots
from biomed_zoo.training import train
from scionwood import attach
from scionwood_biomed.adapters.dual_anchor.config import DualAnchorConfig
from scionwood_biomed.tasks.anchors import prompts_of
from scionwood_biomed.tasks.few_shot import prompts
from scionwood_biomed.tasks.wording import TEMPLATE

OUTLIER = 1.5
"""Largest distance of a sentence's score from the mean of all, in standard deviations."""


@final
class BiomedCoOp(Method):
    """CoOp with two further terms of the loss, both of weight 1.

    The first is the mean squared difference between the text features of the classes and the mean
    features of their expert sentences. The second is the divergence between the answer and that of
    the frozen model under the sentences that are no outliers. The i-th sentences of all classes
    belong together. The published method has fifty sentences of a large language model for each
    class; here they are those of `experts`, or four plain ones.

    Source: Koleilat et al. 2025, arXiv:2411.15232, equations 4 to 9, with the weights and the
        threshold of its code.
    """

    def fit(self, shots: Shots, seed: int) -> None:
        """Train the offsets of the context."""
        prompt_lists = prompts_of(shots.classes, shots.experts)
        count = min(map(len, prompt_lists))
        with torch.no_grad():
            flat = [text for class_prompts in prompt_lists for text in class_prompts[:count]]
            features = self.backbone.text_features(self.backbone.tokenize(flat))
            self.sentences = features.reshape(len(prompt_lists), count, -1)
            parts = [self.backbone.image_features(part) for part in torch.split(shots.image, 64)]
            # By content, as batches are drawn at random and do not say which images they hold.
            self.frozen = dict(zip(map(_key, shots.image), torch.cat(parts), strict=True))
        texts = prompts(TEMPLATE, shots.classes)

        def loss(batch: dict[str, Any]) -> Tensor:
            text = self.texts(texts, shots.classes)
            image = self.backbone.image_features(batch["image"])
            frozen = torch.stack([self.frozen[_key(picture)] for picture in batch["image"]])
            logits = self.backbone.logits(image, text)
            return F.cross_entropy(logits, batch["label"]) + self.regular(logits, text, frozen)

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            config = DualAnchorConfig(prompts=0, fusion=[], template=TEMPLATE)
            self.model: nn.Module = attach(self.backbone, config, targets="context")
            train(self.model.train(), loss, shots, self.settings)
        self.model.eval()

    def regular(self, logits: Tensor, text: Tensor, frozen: Tensor) -> Tensor:
        """Return the sum of both terms.

        Args:
            logits: (batch, class), the answer.
            text: (class, feature), of unit length.
            frozen: (batch, feature), image features before training.
        """
        near = F.mse_loss(text, F.normalize(self.sentences.mean(1), dim=-1))
        usual_sentences = self.sentences[:, self.usual(frozen)].mean(1)
        with torch.no_grad():
            teacher = self.backbone.logits(
                frozen, F.normalize(usual_sentences, dim=-1)
            ).log_softmax(-1)
        terms = F.kl_div(logits.log_softmax(-1), teacher, reduction="none", log_target=True)
        return near + terms.mean()

    @torch.no_grad()
    def usual(self, image: Tensor) -> Tensor:
        """Return (sentence,) bool: the sentences whose score is no outlier among all.

        Args:
            image: (batch, feature), of unit length.
        """
        sentence_features = self.sentences.unbind(1)
        scores = torch.stack(
            [
                self.backbone.logits(image, sentence).amax(-1).mean()
                for sentence in sentence_features
            ]
        )
        spread = scores.std(correction=1) if len(scores) > 1 else scores.new_zeros(())
        # Also NaN: one sentence, or equal scores, have no outlier.
        if not spread > 0:
            return torch.ones_like(scores, dtype=torch.bool)
        return ((scores - scores.mean()) / spread).abs() <= OUTLIER

    def trainable(self) -> int:
        """Return the number of trained parameters."""
        return sum(p.numel() for p in self.model.parameters() if p.requires_grad)


def _key(image: Tensor) -> bytes:
    return image.cpu().numpy().tobytes()
