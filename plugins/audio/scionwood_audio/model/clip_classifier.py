"""The class of a clip from what one layer of Whisper says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast, final

import numpy as np
import torch
from torch import Tensor, nn

from scionwood import RecipeError
from scionwood_audio.data.made import NAMES
from scionwood_audio.model.mel import FRAME
from scionwood_audio.model.whisper import Whisper

STRENGTH = 0.05
"""Inverse strength of the penalty of the logistic head, for standardised features."""


def pooled(states: Tensor, length: Tensor) -> Tensor:
    """Return mean and standard deviation of the states over the true positions of each clip.

    Padded silence would dilute both.

    Args:
        states: (batch, position, width).
        length: samples of each clip, (batch,).

    Returns:
        (batch, 2 width).
    """
    count = (-(-length // FRAME)).clamp(1, states.shape[1])
    true = (torch.arange(states.shape[1], device=states.device) < count[:, None])[..., None]
    mean = (states * true).sum(1) / count[:, None]
    square = ((states - mean[:, None]).square() * true).sum(1) / count[:, None]
    return torch.cat([mean, (square + 1e-8).sqrt()], -1)


@final
class Answer(nn.Module):
    """A linear head on standardised features, fitted in closed form before it is trained.

    Args:
        width: of the features.
        classes: their number.
    """

    mean: Tensor
    spread: Tensor
    fitted: Tensor

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, classes)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("spread", torch.ones(width))
        self.register_buffer("fitted", torch.tensor(False))

    def forward(self, features: Tensor) -> Tensor:
        """Return the logits."""
        return cast(Tensor, self.linear((features - self.mean) / self.spread))

    @torch.no_grad()
    def fit(self, features: Tensor, label: Tensor) -> None:
        """Fit a penalised logistic regression.

        Args:
            features: (clip, width).
            label: (clip,) int64, every class at least once.
        """
        from sklearn.linear_model import LogisticRegression

        self.mean.copy_(features.mean(0))
        self.spread.copy_(features.std(0).clamp_min(1e-3))
        x = ((features - self.mean) / self.spread).cpu().numpy().astype(np.float64)
        model = LogisticRegression(C=STRENGTH, max_iter=1000).fit(x, label.cpu().numpy())
        weight, bias = torch.tensor(model.coef_), torch.tensor(model.intercept_)
        if len(bias) == 1:  # of two classes sklearn fits the difference
            weight, bias = torch.cat([-weight, weight]) / 2, torch.cat([-bias, bias]) / 2
        self.linear.weight.copy_(weight)
        self.linear.bias.copy_(bias)
        self.fitted.fill_(True)


@final
class ClipClassifier(nn.Module):
    """One layer of Whisper's encoder, pooled over the true frames of a clip, and a linear head.

    The layer matters: which one is best depends on the sounds. Measure it with
    `scionwood audio layers`.

    Args:
        classes: names of the classes, in the order of the labels.
        weights: as for `audio/whisper`.
        window: seconds that the network hears; longer clips are cut around their loudest moment.
        read_layer: the layer that is read; `None` means the last one.
        init_seed: seed of random weights and of the head.

    Shapes: samples (batch, 16000 window) float32 and length (batch,) int64, the true samples of
        each clip, to logits (batch, class) float32.

    Units: samples from -1 to 1 at 16 kHz.

    Raises:
        RecipeError: the window, the layer or the classes are not possible.
        WeightsError: the weights are missing, changed, or do not fit.

    Source: A. Radford et al., Robust speech recognition via large-scale weak supervision (2023).
    """

    adapter_targets: ClassVar[Mapping[str, str]] = {
        name: rf"hearing\.({pattern})" for name, pattern in Whisper.adapter_targets.items()
    }
    head: Sequence[str] = ("answer",)

    def __init__(
        self,
        *,
        classes: Sequence[str] = NAMES,
        weights: str = "random",
        window: float = 3.0,
        read_layer: int | None = None,
        init_seed: int = 0,
    ) -> None:
        super().__init__()
        if len(set(classes)) != len(classes) or len(classes) < 2:
            rule = "there must be two or more, each once"
            raise RecipeError(f"classes {list(classes)}", rule, "Correct backbone.classes")
        self.classes = list(classes)
        self.hearing = Whisper(
            weights=weights, window=window, read_layer=read_layer, init_seed=init_seed
        )
        self.card = {**self.hearing.card, "read_layer": str(self.hearing.read_layer)}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(init_seed)
            self.answer = Answer(2 * self.hearing.width, len(self.classes))

    def features(self, samples: Tensor, length: Tensor) -> Tensor:
        """Return what the head sees of each clip, (batch, 2 width)."""
        return pooled(self.hearing(samples), length)

    def forward(self, samples: Tensor, length: Tensor) -> Tensor:
        """Return the logits of each clip."""
        return cast(Tensor, self.answer(self.features(samples, length)))

    def example_input(self) -> tuple[Tensor, Tensor]:
        """Return two clips of faint noise."""
        example: Any = self.hearing.example_input()
        return example[0], torch.tensor([self.hearing.samples, self.hearing.samples // 2])
