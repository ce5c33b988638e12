"""The network of Walrus (McCabe et al. 2025, arXiv:2511.15684): full attention over space.

It maps several states in two or three dimensions to the next one. Attribute names are those of the
published state dict. Drop path is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi
from typing import Literal, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood_pde.model.avit_bias import TokenBias
from scionwood_pde.model.walrus_coder import (
    TOKENS,
    Face,
    Frame,
    SizeNorm,
    WalrusDecoder,
    WalrusEncoder,
    cropped,
    frame_of,
    padded,
)

SMALLEST = 1e-5
"""Smallest root mean square by which a field is divided."""

WalrusSize = Literal["tiny", "full"]


@final
@dataclass(frozen=True)
class WalrusShape:
    """The numbers of a Walrus.

    Args:
        width: channels of the tokens.
        heads: attention heads.
        blocks: number of blocks.
        inner: channels between the convolutions of the encoder, and of the decoder.
    """

    width: int
    heads: int
    blocks: int
    inner: int


SIZES: dict[WalrusSize, WalrusShape] = {
    "tiny": WalrusShape(32, 2, 2, 8),
    "full": WalrusShape(1408, 16, 40, 352),
}
"""`tiny` is this project's; `full` is the published one."""


@final
class Walrus(nn.Module):
    """A network from the frames of a history to the next state.

    Args:
        shape: its numbers.
        places: the row of each field in the table of fields.
        rows: rows of that table.
        faces: what lies beyond each axis; as many as a state has axes.
        coders: numbers of dimensions for which it has an encoder and a decoder; the file has two.
        jitter: shift states and tokens at random, as the authors do in rollouts too.
    """

    multiple = 1
    """The network names the sides that it reads."""

    places: Tensor

    def __init__(
        self,
        shape: WalrusShape,
        places: Sequence[int],
        rows: int,
        faces: Sequence[Face],
        *,
        coders: Sequence[int],
        jitter: bool = False,
    ) -> None:
        super().__init__()
        self.faces, self.jitter = tuple(faces), jitter
        self.side = TOKENS[len(self.faces)]
        sizes = (rows, shape.inner, shape.width)
        self.encoder_dummy = nn.Parameter(torch.ones(1))
        self.embed = nn.ModuleDict({str(dims): WalrusEncoder(*sizes) for dims in coders})
        self.blocks = nn.ModuleList(
            WalrusBlock(shape.width, shape.heads) for _ in range(shape.blocks)
        )
        self.debed = nn.ModuleDict({str(dims): WalrusDecoder(*sizes) for dims in coders})
        self.register_buffer("places", torch.tensor(places), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, frame * field, *sides) to (batch, field, *sides), oldest frame first.

        Each field is divided by its root mean square over the history. The output is the change in
        units of the root mean square of the changes of the history; with one frame, in units of 1.

        Raises:
            ValueError: the network has no strides for a side.
        """
        dims, axes = len(self.faces), tuple(range(-len(self.faces), 0))
        frame = frame_of(x.shape[2:], self.faces)
        frames = x.unflatten(1, (-1, len(self.places)))
        size = _size(frames.detach(), axes)
        shifts = self._shifts(frame)
        y = (frames / size).flatten(0, 1) * self.encoder_dummy
        y = padded(y.reshape(*y.shape[:2], *frame.sides), frame, shifts)
        y = self.embed[str(dims)](y, self.places, frame)
        y = self._processed(y.unflatten(0, (-1, frames.shape[1])), frame)
        y = cropped(self.debed[str(dims)](y[:, -1], self.places, frame), frame, shifts)
        change = y.reshape(x.shape[0], -1, *x.shape[2:])
        if frames.shape[1] > 1:
            change = change * _size(frames.detach().diff(dim=1), axes)[:, 0]
        out: Tensor = frames[:, -1] + change
        return out

    def _processed(self, x: Tensor, frame: Frame) -> Tensor:
        """Apply the blocks to tokens (batch, frame, channel, x, y, z)."""
        total_shift = [0, 0, 0]
        for block in self.blocks:
            if self.jitter:
                shift = [_random_shift(x.shape[3 + i]) if frame.wraps(i) else 0 for i in range(3)]
                x = x.roll(shift, (3, 4, 5))
                total_shift = [a + b for a, b in zip(total_shift, shift, strict=True)]
            x = block(x)
        # Shifts around periodic axes add up, and one roll undoes them all.
        return x.roll([-n for n in total_shift], (3, 4, 5)) if self.jitter else x

    def _shifts(self, frame: Frame) -> list[int]:
        """Draw the shifts of a state: around periodic axes, and within the padding of others."""
        if not self.jitter:
            return [0, 0, 0]
        room = [
            side // 2 if frame.wraps(axis) else frame.pads[axis]
            for axis, side in enumerate(frame.sides)
        ]
        room = [n if frame.strides[axis] != (1, 1) else 0 for axis, n in enumerate(room)]
        return [_random_shift(2 * n - 1) - (n - 1) if n else 0 for n in room]


@final
class WalrusBlock(nn.Module):
    """Causal attention along time, then attention over space beside an MLP.

    Args:
        width: channels of the tokens.
        heads: attention heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.space_mixing = _Space(width, heads)
        self.time_mixing = _Time(width, heads)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, frame, channel, x, y, z) to the same shape."""
        y = self.time_mixing(x)
        out: Tensor = self.space_mixing(y.flatten(0, 1)).unflatten(0, (-1, x.shape[1]))
        return out


@final
class _Time(nn.Module):
    """Attention between the frames at each place; a frame sees itself and earlier ones."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = SizeNorm(width)
        self.input_head = nn.Conv3d(width, 3 * width, 1)
        self.output_head = nn.Conv3d(width, width, 1)
        self.qnorm, self.knorm = nn.LayerNorm(width // heads), nn.LayerNorm(width // heads)
        self.rel_pos_bias = TokenBias(heads, causal=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, frame, channel, x, y, z) to the same shape."""
        batch, frames = x.shape[:2]
        y = self.input_head(self.norm1(x.flatten(0, 1)))
        y = y.unflatten(0, (batch, frames)).unflatten(2, (self.heads, -1))
        q, k, v = y.permute(0, 4, 5, 6, 2, 1, 3).flatten(0, 3).chunk(3, -1)
        bias = self.rel_pos_bias(frames)
        y = F.scaled_dot_product_attention(self.qnorm(q), self.knorm(k), v, bias)
        y = y.unflatten(0, (batch, *x.shape[3:])).permute(0, 5, 4, 6, 1, 2, 3)
        y = self.output_head(y.flatten(2, 3).flatten(0, 1))
        out: Tensor = x + y.unflatten(0, (batch, frames))
        return out


@final
class _Space(nn.Module):
    """Attention between all tokens of a frame, and an MLP of the same input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.parts = heads, [4 * width, width, width, width]
        self.norm1 = SizeNorm(width)
        self.fused_ff_qkv = nn.Linear(width, 7 * width)
        self.ff_out = nn.Linear(2 * width, width)
        self.attn_out = nn.Linear(width, width, bias=False)
        self.q_norm, self.k_norm = nn.LayerNorm(width // heads), nn.LayerNorm(width // heads)
        self.rotary_emb = _Rotary(width // heads // 4)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channel, x, y, z) to the same shape."""
        sides = x.shape[2:]
        y = self.norm1(x).flatten(2).transpose(1, 2)
        # MLP and attention read the same input, so that one product serves both.
        wide, q, k, v = self.fused_ff_qkv(y).split(self.parts, -1)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (q, k, v))
        angles = self.rotary_emb(sides)
        q, k = rotated(self.q_norm(q), angles), rotated(self.k_norm(k), angles)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        value, gate = wide.chunk(2, -1)
        y = self.attn_out(y) + self.ff_out(F.silu(gate) * value)
        out: Tensor = x + y.transpose(1, 2).unflatten(2, sides)
        return out


@final
class _Rotary(nn.Module):
    """Angles of rotary positions along three axes, which all reach from -1 to 1."""

    freqs: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("freqs", pi * torch.linspace(1, 128, channels // 2))

    def forward(self, sides: Sequence[int]) -> Tensor:
        """Return the angles, (token, channel); a pair of channels has one angle."""
        places = [torch.linspace(-1, 1, side, device=self.freqs.device) for side in sides]
        grid = torch.meshgrid(*places, indexing="ij")
        angles = torch.cat([axis[..., None] * self.freqs for axis in grid], -1)
        return angles.flatten(0, -2).repeat_interleave(2, -1)


def rotated(x: Tensor, angles: Tensor) -> Tensor:
    """Turn pairs of the first channels of (..., token, channel) by angles (Su et al. 2021)."""
    first, others = x.split([angles.shape[-1], x.shape[-1] - angles.shape[-1]], -1)
    pairs = first.unflatten(-1, (-1, 2))
    # (a, b) -> (a cos - b sin, b cos + a sin).
    across = torch.stack([-pairs[..., 1], pairs[..., 0]], -1).flatten(-2)
    return torch.cat([first * angles.cos() + across * angles.sin(), others], -1)


def _size(frames: Tensor, axes: Sequence[int]) -> Tensor:
    """Return the root mean square of each field, (batch, 1, field, 1, ...)."""
    return frames.square().mean((1, *axes), keepdim=True).sqrt().clamp(min=SMALLEST)


def _random_shift(count: int) -> int:
    return int(torch.randint(0, max(count, 1), ()))
