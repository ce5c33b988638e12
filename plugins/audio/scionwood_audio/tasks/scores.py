"""Three ways to score whether a clip says a text, and the losses that train them."""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood import RecipeError
from scionwood_audio.model.matcher import WordMatcher
from scionwood_audio.model.spelling import LETTERS, texts_of, token_rows
from scionwood_audio.model.whisper import Whisper, WhisperText

Score: TypeAlias = Literal["likelihood", "ctc", "matcher"]
Batch: TypeAlias = dict[str, Tensor]
PAIRS = 20
"""Pairs of a clip and a text that are scored at once."""


class Scorer(ABC):
    """A way to score, from the last layer's features (clip, position, width) of a network."""

    backbone: type[nn.Module]
    name: str
    head: str = ""

    @abstractmethod
    def loss(self, network: Any, hidden: Tensor, batch: Batch) -> Tensor:
        """Return the loss of a batch."""

    @abstractmethod
    def pairs(self, network: Any, hidden: Tensor, frames: Tensor, letters: Tensor) -> Tensor:
        """Return the scores (pair,) of features, their true positions, and codes of texts."""

    def offset(self, network: Any, texts: Tensor) -> Tensor:
        """Return what is subtracted from the values of texts (text, letter), (text,)."""
        return torch.zeros(len(texts), device=texts.device)

    def values(self, network: Any, hidden: Tensor, frames: Tensor, letters: Tensor) -> Tensor:
        """Return the value of each text of each clip, (clip, text), of codes of that shape."""
        texts = letters.flatten(0, 1)
        clips = torch.arange(len(hidden), device=hidden.device)
        owners = clips.repeat_interleave(letters.shape[1])
        parts = [
            self.pairs(network, hidden[which], frames[which], some_texts)
            for which, some_texts in zip(owners.split(PAIRS), texts.split(PAIRS), strict=True)
        ]
        return torch.cat(parts).view(letters.shape[:2])


class Likelihood(Scorer):
    """The mean log-probability of the tokens of a text, minus that on silence."""

    backbone, name = WhisperText, "audio/whisper_text"

    def loss(self, network: Any, hidden: Tensor, batch: Batch) -> Tensor:
        """Return the cross-entropy of the tokens of the text and of its end, nats a token."""
        values, scored = _token_values(network, hidden, batch["letters"], end=True)
        return -values.sum() / scored.sum()

    def pairs(self, network: Any, hidden: Tensor, frames: Tensor, letters: Tensor) -> Tensor:
        """Return the mean log-probability of the tokens of each text, without its end."""
        values, scored = _token_values(network, hidden, letters, end=False)
        return values.sum(1) / scored.sum(1)

    def offset(self, network: Any, texts: Tensor) -> Tensor:
        """Return the values on a silent window, which frequent words have without being said."""
        silence = torch.zeros(1, network.samples, device=texts.device)
        hidden, frames = network.hidden(silence)[-1], torch.zeros(1, device=texts.device)
        return self.values(network, hidden, frames, texts[None])[0]


class Ctc(Scorer):
    """The log-probability of the letters of a text, minus that of the best path, a letter."""

    backbone, name, head = Whisper, "audio/whisper", "classifier"

    def loss(self, network: Any, hidden: Tensor, batch: Batch) -> Tensor:
        """Return the loss of connectionist temporal classification, nats a letter."""
        values = network.classifier(hidden).float().log_softmax(-1).transpose(0, 1)
        letters = batch["letters"]
        lengths = (letters > 0).sum(1)
        return F.ctc_loss(values, letters, batch["frames"], lengths, zero_infinity=True)

    def pairs(self, network: Any, hidden: Tensor, frames: Tensor, letters: Tensor) -> Tensor:
        """Return the scores; 0 is the highest."""
        values = network.classifier(hidden).float().log_softmax(-1)
        lengths = (letters > 0).sum(1)
        likelihood = -F.ctc_loss(values.transpose(0, 1), letters, frames, lengths, reduction="none")
        steps = torch.arange(values.shape[1], device=values.device)
        best = (values.amax(-1) * (steps < frames[:, None])).sum(1)
        scores: Tensor = (likelihood - best) / lengths
        return scores


class Matching(Scorer):
    """The logit of stage II of DMA-KWS."""

    backbone, name, head = WordMatcher, "audio/matcher", "matcher"

    def loss(self, network: Any, hidden: Tensor, batch: Batch) -> Tensor:
        """Return the binary cross-entropy of texts and of their letters.

        Beside each text that is said stand the first random and the first near one. A letter is
        said if the spellings share it, in order.
        """
        texts = torch.cat([batch["letters"], batch["others"][:, 0], batch["others"][:, 2]])
        spoken, frames = torch.cat([batch["letters"]] * 3), torch.cat([batch["frames"]] * 3)
        joined, parts = network.matcher(texts, torch.cat([hidden] * 3), frames)
        target = torch.zeros_like(joined)
        target[: len(hidden)] = 1.0
        letters, mask = _shared(texts, spoken).to(parts), texts > 0
        weight = torch.tensor(2.0, device=target.device)  # two texts are not said for one that is
        loss = F.binary_cross_entropy_with_logits(joined, target, pos_weight=weight)
        return loss + F.binary_cross_entropy_with_logits(parts[mask], letters[mask])

    def pairs(self, network: Any, hidden: Tensor, frames: Tensor, letters: Tensor) -> Tensor:
        """Return the logits of the texts."""
        logits: Tensor = network.matcher(letters, hidden, frames)[0]
        return logits


SCORERS: dict[Score, Scorer] = {"likelihood": Likelihood(), "ctc": Ctc(), "matcher": Matching()}


def checked(score: Score, network: Any) -> Scorer:
    """Return a scorer whose network fits."""
    scorer, outputs = SCORERS[score], len(LETTERS) + 1
    if type(network) is not scorer.backbone:  # the matcher's is a Whisper too
        rule = f"it needs the backbone {scorer.name}"
        raise RecipeError(f"score {score}", rule, f"Set backbone.name: {scorer.name}")
    if score == "ctc" and getattr(network.classifier, "out_features", 0) != outputs:
        rule = f"its head has an output for each of {outputs - 1} letters, and one for the blank"
        raise RecipeError("score ctc", rule, f"Set backbone.outputs: {outputs}")
    return scorer


def _token_values(
    network: Any, hidden: Tensor, letters: Tensor, *, end: bool
) -> tuple[Tensor, Tensor]:
    """Return the log-probabilities of the tokens, 0 where they are not scored, and which are.

    Both are (text, token); the end of a text is scored if asked for.
    """
    rows, scored = token_rows(texts_of(letters), network.weights, end=end)
    rows, scored = rows.to(hidden.device), scored.to(hidden.device)
    logits = network.decode(hidden, rows[:, :-1], scored).float()
    chosen = logits.log_softmax(-1).gather(-1, rows[:, 1:][scored][:, None]).squeeze(-1)
    return torch.zeros(scored.shape, device=hidden.device).masked_scatter(scored, chosen), scored


def _shared(texts: Tensor, spoken: Tensor) -> Tensor:
    """Return 1 for each letter of the texts that those spoken have too, in order."""
    shared = torch.zeros(texts.shape)
    for row, one, other in zip(shared, texts_of(texts), texts_of(spoken), strict=True):
        for at, _, size in difflib.SequenceMatcher(None, one, other).get_matching_blocks():
            row[at : at + size] = 1.0
    return shared
