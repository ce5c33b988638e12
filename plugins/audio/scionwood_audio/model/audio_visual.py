"""Two frozen towers that hear and see the same seconds, and a head for the event of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood import RecipeError, WeightsError
from scionwood_audio.data.made import NAMES
from scionwood_audio.model.mel import FRAME, RATE, LogMel
from scionwood_audio.model.weights import load_tokenizer, load_whisper

SECOND = RATE // FRAME
"""Positions of a second."""

PATCH, HIDDEN = 14, 128
"""Side of a patch in pixels, and width of the head."""

MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of each colour, as DINOv2 was trained."""


@final
class Junction(nn.Module):
    """The place where two towers may exchange what they know: it passes their states on.

    Shapes: audio (batch, second, position, audio), vision (batch, second, token, vision) and text
        (row, text) or (batch, row, text), all float32, whose widths are the arguments.
    """

    def __init__(self, audio: int, vision: int, text: int) -> None:
        super().__init__()
        self.audio, self.vision, self.text = audio, vision, text

    def forward(self, audio: Tensor, vision: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """Return both states as they are."""
        return audio, vision


@final
class AudioVisual(nn.Module):
    """Whisper's encoder and DINOv2 over the same seconds, with a junction before their last blocks.

    Both towers stay frozen. The text is embedded by the table of Whisper's decoder: the mean of the
    tokens of a name. That table was never trained to agree with pictures.

    Args:
        weights: of Whisper, as for `audio/whisper`.
        vision: of DINOv2: `random` (small), a folder in the layout of transformers, or a name on
            the hub.
        names: the events, in the order of the classes; background is added as the last class.
        seconds: seconds of a clip.
        side: side of a picture in pixels, a multiple of 14.
        init_seed: seed of random weights and of the head.

    Shapes: samples (batch, 16000 seconds), pictures (batch, second, 3, side, side) from 0 to 1 and
        text (row, width) or (batch, row, width), or `None` for the names, all float32, to logits
        (batch, second, event + 1).

    Units: samples from -1 to 1 at 16 kHz; one picture a second.

    Raises:
        RecipeError: names repeat, or the side is not possible.
        WeightsError: weights are missing or do not fit.

    Source: a reconstruction after TB-AVA (arXiv:2605.11572), from its abstract.
    """

    adapter_targets: ClassVar[Mapping[str, str]] = {"junctions": r"junctions\.\d+"}
    head: Sequence[str] = ("classifier",)
    table: Tensor

    def __init__(
        self,
        *,
        weights: str = "random",
        vision: str = "random",
        names: Sequence[str] = NAMES,
        seconds: int = 4,
        side: int = 70,
        init_seed: int = 0,
    ) -> None:
        super().__init__()
        if len(set(names)) != len(names) or len(names) < 2:
            rule = "there must be two or more, each once"
            raise RecipeError(f"names {list(names)}", rule, "Correct backbone.names")
        self.names, self.seconds, self.side, self.weights = list(names), seconds, side, weights
        network: Any = load_whisper(weights, seconds * SECOND, init_seed)
        self.encoder, self.words = network.model.encoder, network.model.decoder.embed_tokens
        self.encoder.embed_positions.requires_grad_(False)
        self.vision = load_vision(vision, side, init_seed)
        widths = int(network.config.d_model), int(self.vision.config.hidden_size)
        self.junctions = nn.ModuleList([Junction(*widths, widths[0])])
        self.mel = LogMel()
        self.register_buffer("table", self.embed(self.names), persistent=False)
        random = weights == vision == "random"
        self.card = {
            "architecture": "Whisper's encoder and DINOv2, joined before their last blocks",
            "weights": f"of Whisper: {weights}; of DINOv2: {vision}; random has learnt nothing",
            "licence": "none (random weights)" if random else "see the towers",
        }
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(init_seed)
            self.classifier = nn.Sequential(
                nn.LayerNorm(sum(widths)),
                nn.Linear(sum(widths), HIDDEN),
                nn.GELU(),
                nn.Dropout(0.1),
                nn.Linear(HIDDEN, len(self.names) + 1),
            )

    @torch.no_grad()
    def embed(self, texts: Sequence[str]) -> Tensor:
        """Return a row for each text, (text, width): the mean of the vectors of its tokens.

        Random weights read the bytes of a text as tokens, and need no tokenizer.
        """
        if self.weights == "random":
            tokens = [list(text.encode()) for text in texts]
        else:
            tokenizer = load_tokenizer(self.weights)
            tokens = [tokenizer.encode(f" {t}", add_special_tokens=False).ids for t in texts]
        table = self.words.weight
        rows = [table[torch.tensor(ids, device=table.device)].mean(0) for ids in tokens]
        return torch.stack(rows).detach()

    def stem(self, samples: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Return the states before the junction, which do not depend on a bridge."""
        audio = F.gelu(self.encoder.conv2(F.gelu(self.encoder.conv1(self.mel(samples)))))
        audio = audio.transpose(1, 2) + self.encoder.embed_positions.weight
        for layer in self.encoder.layers[:-1]:
            audio = layer(audio, None)
        mean, spread = (pictures.new_tensor(part)[:, None, None] for part in (MEAN, SPREAD))
        vision = self.vision.embeddings((pictures.flatten(0, 1) - mean) / spread)
        for block in self.vision.encoder.layer[:-1]:
            vision = _first(block(vision))
        seconds = pictures.shape[1]
        return audio.unflatten(1, (seconds, SECOND)), vision.unflatten(0, (-1, seconds))

    def pooled(self, audio: Tensor, vision: Tensor, text: Tensor | None = None) -> Tensor:
        """Return what the head sees of the states of `stem`: (batch, second, width)."""
        seconds, rows = audio.shape[1], self.table if text is None else text
        audio, vision = self.junctions[0](audio, vision, rows)
        audio = self.encoder.layer_norm(self.encoder.layers[-1](audio.flatten(1, 2), None))
        vision = _first(self.vision.encoder.layer[-1](vision.flatten(0, 1)))
        sight = self.vision.layernorm(vision)[:, 0].unflatten(0, (-1, seconds))
        return torch.cat([audio.unflatten(1, (seconds, SECOND)).mean(2), sight], -1)

    def forward(self, samples: Tensor, pictures: Tensor, text: Tensor | None = None) -> Tensor:
        """Return the logits of each second."""
        return cast(Tensor, self.classifier(self.pooled(*self.stem(samples, pictures), text)))

    def example_input(self) -> tuple[Tensor, Tensor]:
        """Return two clips of faint noise."""
        noise = torch.Generator().manual_seed(0)
        samples = 0.01 * torch.randn(2, self.seconds * RATE, generator=noise)
        return samples, torch.rand(2, self.seconds, 3, self.side, self.side, generator=noise)


def load_vision(weights: str, side: int, seed: int) -> Any:
    """Build DINOv2 in evaluation mode; see `AudioVisual` for the weights and errors."""
    from transformers import Dinov2Config, Dinov2Model

    if side < PATCH or side % PATCH:
        raise RecipeError(f"side {side}", f"it must be a multiple of {PATCH}", "Set it to 70")
    if weights == "random":
        config = Dinov2Config(
            hidden_size=64,
            num_hidden_layers=4,
            num_attention_heads=2,
            image_size=side,
            layerscale_value=1.0,  # with 1e-5 no random block would do anything
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return Dinov2Model(config).eval()
    try:
        network = Dinov2Model.from_pretrained(weights, use_safetensors=True, dtype=torch.float32)
    except (OSError, ValueError, RuntimeError) as error:
        rule = f"no DINOv2 can be loaded ({str(error).splitlines()[0][:200]})"
        raise WeightsError(weights, rule, "Give a folder of transformers, or random") from error
    return network.eval()


def _first(output: Any) -> Tensor:
    # Some versions of transformers return a tuple from a block.
    return cast(Tensor, output[0] if isinstance(output, tuple) else output)
