"""Stage II of DMA-KWS: does a sound say a text, and which of its letters?"""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn

from scionwood_audio.model.spelling import LETTERS
from scionwood_audio.model.whisper import Whisper

LONGEST = 2048
"""Positions of the longest segment."""


@final
class Matcher(nn.Module):
    """A transformer over the segments text and sound, and a GRU over the letters.

    Each segment has a learned vector of its modality, and sinusoidal positions that begin at 0. The
    last state of the GRU gives the logit of the whole text, and the state of each letter its own.
    Padding is masked, and the GRU is read at the last true letter. In the published code neither is
    so, and a score depends on the length of its batch.

    Source: a reconstruction of DMA-KWS (arXiv:2605.22120), stage II, from a part of its released
        code: letters instead of phonemes, its masks and its last position corrected.
    """

    positions: Tensor

    def __init__(
        self, width: int, *, size: int = 128, heads: int = 4, layers: int = 2, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.letter = nn.Embedding(len(LETTERS) + 1, size, padding_idx=0)
        self.sound = nn.Linear(width, size)
        # The third is that of an enrolment in the released code, which no score has here.
        self.modality = nn.Parameter(0.02 * torch.randn(3, size))
        layer = nn.TransformerEncoderLayer(
            size, heads, 2 * size, dropout, batch_first=True, norm_first=True
        )
        self.mixer = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.order = nn.GRU(size, size, batch_first=True)
        self.text_logit, self.letter_logit = nn.Linear(size, 1), nn.Linear(size, 1)
        self.register_buffer("positions", _waves(size), persistent=False)

    def forward(self, text: Tensor, sound: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of the text, (batch,), and of each letter, (batch, letter), being said.

        Args:
            text: (batch, letter) int64 codes, padded with 0.
            sound: (batch, position, width).
            frames: (batch,) true positions of the sound.
        """
        letters = self.letter(text) + self.modality[0] + self.positions[: text.shape[1]]
        heard = self.sound(sound) + self.modality[1] + self.positions[: sound.shape[1]]
        steps = torch.arange(sound.shape[1], device=sound.device)
        mask = torch.cat([text == 0, steps >= frames[:, None]], 1)
        mixed = self.mixer(torch.cat([letters, heard], 1), src_key_padding_mask=mask)
        letters = mixed[:, : text.shape[1]]
        states = self.order(letters)[0]  # causal: padding behind the last letter is not seen
        last = (text > 0).sum(1) - 1
        chosen = states[torch.arange(len(text), device=text.device), last]
        return self.text_logit(chosen).squeeze(-1), self.letter_logit(letters).squeeze(-1)


@final
class WordMatcher(Whisper):
    """Whisper's encoder with the matcher of DMA-KWS behind it.

    Args:
        weights: as for `audio/whisper`.
        window: seconds that the network hears at once, up to 30.
        read_layer: the layer whose output is read; `None` means the last one.
        init_seed: seed of random weights and of the matcher.

    Shapes: samples (batch, 16000 window) float32 and letters (batch, letter) int64 to logits
        (batch, 1 + letter) float32, of the text first.

    Units: samples from -1 to 1 at 16 kHz.

    Raises:
        RecipeError: the window or the layer does not exist.
        WeightsError: the weights are missing, changed, or do not fit.

    Source: a reconstruction of DMA-KWS (arXiv:2605.22120); see `Matcher`.
    """

    def __init__(
        self,
        *,
        weights: str = "random",
        window: float = 3.0,
        read_layer: int | None = None,
        init_seed: int = 0,
    ) -> None:
        super().__init__(weights=weights, window=window, read_layer=read_layer, init_seed=init_seed)
        self.head = ("matcher",)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(init_seed)
            self.matcher = Matcher(self.width)

    def forward(self, samples: Tensor, letters: Tensor) -> Tensor:  # type: ignore[override]
        """Return the logits of each text, and of each of its letters, being said."""
        frames = torch.full((len(letters),), self.positions, device=letters.device)
        text, parts = self.matcher(letters, self.hidden(samples)[-1], frames)
        return torch.cat([text[:, None], parts], 1)

    def example_input(self) -> tuple[Tensor, ...]:
        """Return two windows of faint noise and a text for each."""
        return self.noise(), torch.tensor([[2, 3, 4], [5, 6, 7]])


def _waves(size: int) -> Tensor:
    # Vaswani et al., Attention is all you need (2017), section 3.5.
    place = torch.arange(LONGEST)[:, None]
    rate = torch.exp(-math.log(1e4) * torch.arange(0, size, 2) / size)
    table = torch.zeros(LONGEST, size)
    table[:, 0::2], table[:, 1::2] = torch.sin(place * rate), torch.cos(place * rate)
    return table
