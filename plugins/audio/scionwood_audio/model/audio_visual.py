"""Two frozen towers that hear and see the same seconds, and a head for the event of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood import RecipeError
from scionwood_audio.data.made import NAMES
from scionwood_audio.model.junction import Junction
from scionwood_audio.model.mel import FRAME, RATE, LogMel
from scionwood_audio.model.vision import blocks_of, load_vision, normalised
from scionwood_audio.model.weights import load_tokenizer, load_whisper

SECOND = RATE // FRAME
"""Positions of a second."""


@final
class AudioVisual(nn.Module):
    """Whisper's encoder and DINOv2 over the same seconds, with junctions before their last blocks.

    Both towers stay frozen. The text is embedded by the table of Whisper's decoder: the mean of the
    tokens of a name. That table was never trained to agree with pictures.

    Args:
        weights: of Whisper, as for `audio/whisper`.
        vision: of DINOv2: `random` (small), a folder in the layout of transformers, or a name on
            the hub.
        names: the events, in the order of the classes; background is added as the last class.
        seconds: seconds of a clip.
        side: side of a picture in pixels, a multiple of 14.
        depth: junctions, one before each of the last blocks of both towers.
        hidden: width of the head.
        init_seed: seed of random weights and of the head.

    Shapes: samples (batch, 16000 seconds), pictures (batch, second, 3, side, side) from 0 to 1 and
        text (row, width) or (batch, row, width), or `None` for the names, all float32, to logits
        (batch, second, event + 1).

    Units: samples from -1 to 1 at 16 kHz; one picture a second.

    Raises:
        RecipeError: names repeat, or the depth or the side is not possible.
        WeightsError: weights are missing or do not fit.

    Source: a reconstruction after TB-AVA (arXiv:2605.11572), from its abstract.
    """

    adapter_targets: ClassVar[Mapping[str, str]] = {
        "junctions": r"junctions\.\d+",
        "attention": r"encoder\.layers\.\d+\.self_attn\.(q|v)_proj",
    }
    head: Sequence[str] = ("classifier",)

    def __init__(
        self,
        *,
        weights: str = "random",
        vision: str = "random",
        names: Sequence[str] = NAMES,
        seconds: int = 4,
        side: int = 70,
        depth: int = 1,
        hidden: int = 128,
        init_seed: int = 0,
    ) -> None:
        super().__init__()
        if len(set(names)) != len(names) or len(names) < 2:
            rule = "there must be two or more, each once"
            raise RecipeError(f"names {list(names)}", rule, "Correct backbone.names")
        self.names, self.seconds, self.side, self.sources = list(names), seconds, side, weights
        network: Any = load_whisper(weights, seconds * SECOND, init_seed)
        self.encoder, self.words = network.model.encoder, network.model.decoder.embed_tokens
        self.encoder.embed_positions.requires_grad_(False)
        self.vision = load_vision(vision, side, init_seed)
        widths = int(network.config.d_model), int(self.vision.config.hidden_size)
        deepest = min(len(self.encoder.layers), len(blocks_of(self.vision)))
        if not 1 <= depth <= deepest:
            raise RecipeError(f"depth {depth}", f"it must be from 1 to {deepest}", "Set it to 1")
        self.junctions = nn.ModuleList(Junction(*widths, widths[0]) for _ in range(depth))
        self.mel = LogMel()
        self.table: Tensor
        self.register_buffer("table", self.embed(self.names), persistent=False)
        random = weights == vision == "random"
        self.card = {
            "architecture": "Whisper's encoder and DINOv2, joined before their last blocks",
            "weights": f"of Whisper: {weights}; of DINOv2: {vision}; random has learnt nothing",
            "licence": "none (random weights)" if random else "see the towers",
        }
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(init_seed)
            self.classifier = head_of(sum(widths), hidden, len(self.names) + 1)

    @torch.no_grad()
    def embed(self, texts: Sequence[str]) -> Tensor:
        """Return a row for each text, (text, width): the mean of the vectors of its tokens.

        Random weights read the bytes of a text as tokens, and need no tokenizer.
        """
        if self.sources == "random":
            tokens = [list(text.encode()) for text in texts]
        else:
            tokenizer = load_tokenizer(self.sources)
            tokens = [tokenizer.encode(f" {t}", add_special_tokens=False).ids for t in texts]
        table = self.words.weight
        rows = [table[torch.tensor(ids, device=table.device)].mean(0) for ids in tokens]
        return torch.stack(rows).detach()

    def stem(self, samples: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Return the states before the first junction; see `Junction`.

        They do not depend on the bridges, so that they may be computed once.
        """
        depth = len(self.junctions)
        audio = F.gelu(self.encoder.conv2(F.gelu(self.encoder.conv1(self.mel(samples)))))
        audio = audio.transpose(1, 2) + self.encoder.embed_positions.weight
        for layer in self.encoder.layers[:-depth]:
            audio = layer(audio, None)
        pixels = normalised(pictures.flatten(0, 1))
        vision = self.vision.embeddings(pixels)
        for block in blocks_of(self.vision)[:-depth]:
            vision = _first(block(vision))
        seconds = pictures.shape[1]
        return audio.unflatten(1, (seconds, SECOND)), vision.unflatten(0, (-1, seconds))

    def pooled(self, audio: Tensor, vision: Tensor, text: Tensor | None = None) -> Tensor:
        """Return what the head sees of the states of `stem`: (batch, second, width)."""
        rows, depth = self.table if text is None else text, len(self.junctions)
        seconds = audio.shape[1]
        pairs = zip(self.encoder.layers[-depth:], blocks_of(self.vision)[-depth:], strict=True)
        for junction, (layer, block) in zip(self.junctions, pairs, strict=True):
            audio, vision = junction(audio, vision, rows)
            audio = layer(audio.flatten(1, 2), None).unflatten(1, (seconds, SECOND))
            vision = _first(block(vision.flatten(0, 1))).unflatten(0, (-1, seconds))
        sight = self.vision.layernorm(vision)[:, :, 0]
        heard = self.encoder.layer_norm(audio).mean(2)
        return torch.cat([heard, sight], -1)

    def forward(self, samples: Tensor, pictures: Tensor, text: Tensor | None = None) -> Tensor:
        """Return the logits of each second."""
        return self.answer(*self.stem(samples, pictures), text)

    def answer(self, audio: Tensor, vision: Tensor, text: Tensor | None = None) -> Tensor:
        """Return the logits of each second, given the states of `stem`."""
        return cast(Tensor, self.classifier(self.pooled(audio, vision, text)))

    def example_input(self) -> tuple[Tensor, Tensor]:
        """Return two clips of faint noise."""
        noise = torch.Generator().manual_seed(0)
        samples = 0.01 * torch.randn(2, self.seconds * RATE, generator=noise)
        return samples, torch.rand(2, self.seconds, 3, self.side, self.side, generator=noise)


def head_of(width: int, hidden: int, classes: int) -> nn.Sequential:
    """Return a head with one hidden layer."""
    layers = nn.LayerNorm(width), nn.Linear(width, hidden), nn.GELU(), nn.Dropout(0.1)
    return nn.Sequential(*layers, nn.Linear(hidden, classes))


def _first(output: Any) -> Tensor:
    # Some versions of transformers return a tuple from a block.
    return cast(Tensor, output[0] if isinstance(output, tuple) else output)
