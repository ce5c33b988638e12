"""The place between two frozen towers where an adapter may let them exchange what they know."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn


@final
class Junction(nn.Module):
    """Passes the states of two towers on; an adapter method may wrap it.

    Args:
        audio: width of the states of the audio tower.
        vision: width of the tokens of the vision tower.
        text: width of the rows of text.

    Shapes: audio (batch, second, position, audio), vision (batch, second, token, vision) and text
        (row, text) or (batch, row, text), all float32.
    """

    def __init__(self, audio: int, vision: int, text: int) -> None:
        super().__init__()
        self.audio, self.vision, self.text = audio, vision, text

    def forward(self, audio: Tensor, vision: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """Return both states as they are."""
        return audio, vision
