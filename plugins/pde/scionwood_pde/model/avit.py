"""The network of MPP, AViT (McCabe et al. 2023, arXiv:2310.02994): attention along each axis.

It maps several two-dimensional states to the next one. Attribute names are those of the published
state dicts. Drop path is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood_pde.model.avit_bias import TokenBias

PATCH = 16
"""Points along each axis of a patch."""

AViTSize = Literal["tiny", "Ti", "S", "B", "L"]


@final
@dataclass(frozen=True)
class AViTShape:
    """The numbers of an AViT.

    Args:
        width: channels of the tokens.
        heads: attention heads.
        blocks: number of blocks.
    """

    width: int
    heads: int
    blocks: int


SIZES: dict[AViTSize, AViTShape] = {
    "tiny": AViTShape(32, 2, 2),
    "Ti": AViTShape(192, 3, 12),
    "S": AViTShape(384, 6, 12),
    "B": AViTShape(768, 12, 12),
    "L": AViTShape(1024, 16, 24),
}
"""`tiny` is this project's; the others are the published ones."""


@final
class AViT(nn.Module):
    """A network from the frames of a history to the next state.

    Args:
        shape: its numbers.
        places: the row of each field in the table of fields.
        rows: rows of that table.
        periodic: both axes are periodic.
    """

    side = 2 * PATCH
    """The shortest side: norms need two patches."""

    multiple = PATCH
    """A side of the input is a multiple of this number."""

    places: Tensor

    def __init__(
        self, shape: AViTShape, places: Sequence[int], rows: int, *, periodic: bool
    ) -> None:
        super().__init__()
        quarter = shape.width // 4
        self.space_bag = FieldMix(rows, quarter)
        self.embed = _Stem(quarter, shape.width)
        self.blocks = nn.ModuleList(
            AViTBlock(shape.width, shape.heads, periodic=periodic) for _ in range(shape.blocks)
        )
        self.debed = _Unstem(shape.width, rows)
        self.register_buffer("places", torch.tensor(places), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, frame * field, x, y) to (batch, field, x, y), oldest frame first.

        Mean and standard deviation of each field over a history are taken off and put back.

        Raises:
            ValueError: a side is not a multiple of a patch, or the state is one patch.
        """
        sides = tuple(x.shape[2:])
        if any(side % PATCH for side in sides) or sides == (PATCH, PATCH):
            raise ValueError(
                f"a state of {sides} points: sides are multiples of {PATCH}, and one of them is "
                f"{2 * PATCH} or more. Resample the state"
            )
        frames = x.unflatten(1, (-1, len(self.places)))
        std, mean = torch.std_mean(frames.detach(), dim=(1, 3, 4), keepdim=True)
        # A field that does not change over the history has the deviation 0.
        std = std + 1e-7
        y = self.space_bag(((frames - mean) / std).flatten(0, 1), self.places)
        y = self.embed(y).unflatten(0, (-1, frames.shape[1]))
        for block in self.blocks:
            y = block(y)
        out: Tensor = self.debed(y[:, -1], self.places) * std[:, 0] + mean[:, 0]
        return out


@final
class FieldMix(nn.Module):
    """A linear layer from the fields that a state has to a fixed number of channels.

    Args:
        rows: number of all fields.
        channels: number of channels.
    """

    def __init__(self, rows: int, channels: int) -> None:
        super().__init__()
        linear = nn.Linear(rows, channels)
        self.weight, self.bias = linear.weight, linear.bias

    def forward(self, x: Tensor, places: Tensor) -> Tensor:
        """Map (batch, field, x, y) to (batch, channel, x, y)."""
        # The weights are those of a sum over all fields: fewer terms are scaled to its variance.
        scale: float = (self.weight.shape[1] / len(places)) ** 0.5
        return F.conv2d(x, self.weight[:, places, None, None], self.bias) * scale


@final
class SpreadNorm(nn.Module):
    """Divide each channel of a map by its standard deviation over space; the mean stays.

    The files hold an offset, `bias`, which the authors' network never adds.

    Args:
        channels: number of channels.
    """

    bias: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.register_buffer("bias", torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channel, x, y) to the same shape."""
        return x / (x.std((2, 3), keepdim=True) + 1e-8) * self.weight[:, None, None]


@final
class _Stem(nn.Module):
    """Three convolutions from points to patches of 16 x 16 points."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.in_proj = nn.Sequential(
            *_activated(nn.Conv2d(channels, channels, 4, 4, bias=False)),
            *_activated(nn.Conv2d(channels, channels, 2, 2, bias=False)),
            nn.Conv2d(channels, width, 2, 2, bias=False),
            SpreadNorm(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.in_proj(x)
        return y


@final
class _Unstem(nn.Module):
    """Three transposed convolutions from patches to the points of chosen fields."""

    def __init__(self, width: int, rows: int) -> None:
        super().__init__()
        quarter = width // 4
        self.out_proj = nn.Sequential(
            *_activated(nn.ConvTranspose2d(width, quarter, 2, 2, bias=False)),
            *_activated(nn.ConvTranspose2d(quarter, quarter, 2, 2, bias=False)),
        )
        last = nn.ConvTranspose2d(quarter, rows, 4, 4)
        assert last.bias is not None
        self.out_kernel, self.out_bias = last.weight, last.bias

    def forward(self, x: Tensor, places: Tensor) -> Tensor:
        y = self.out_proj(x)
        return F.conv_transpose2d(y, self.out_kernel[:, places], self.out_bias[places], stride=4)


def _activated(conv: nn.Conv2d | nn.ConvTranspose2d) -> tuple[nn.Module, ...]:
    return conv, SpreadNorm(conv.out_channels), nn.GELU()


@final
class AViTBlock(nn.Module):
    """Attention along time, then along both axes of space, and an MLP.

    Args:
        width: channels of the tokens.
        heads: attention heads.
        periodic: both axes of space are periodic.
    """

    def __init__(self, width: int, heads: int, *, periodic: bool) -> None:
        super().__init__()
        self.spatial = _Spatial(width, heads, periodic=periodic)
        self.temporal = _Temporal(width, heads)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, frame, channel, x, y) to the same shape."""
        y = self.temporal(x)
        out: Tensor = self.spatial(y.flatten(0, 1)).unflatten(0, (-1, x.shape[1]))
        return out


class _Attention(nn.Module):
    """Projections and norms of queries and keys that both kinds of attention share."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.input_head = nn.Conv2d(width, 3 * width, 1)
        self.output_head = nn.Conv2d(width, width, 1)
        self.qnorm, self.knorm = nn.LayerNorm(width // heads), nn.LayerNorm(width // heads)
        self.rel_pos_bias = TokenBias(heads)

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values, each (batch, x, y, head, channel)."""
        y = self.input_head(x).permute(0, 2, 3, 1).unflatten(-1, (self.heads, -1))
        q, k, v = y.chunk(3, -1)
        return self.qnorm(q), self.knorm(k), v


@final
class _Temporal(_Attention):
    """Attention between the frames at each place."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(width, heads)
        self.norm1 = nn.InstanceNorm2d(width, affine=True)
        self.norm2 = nn.InstanceNorm2d(width, affine=True)
        # Layer scale: a block starts as nearly the identity (arXiv:2103.17239).
        self.gamma = nn.Parameter(torch.full((width,), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, frame, channel, x, y) to the same shape."""
        frames = x.shape[1]
        parts = self.parts(self.norm1(x.flatten(0, 1)))
        q, k, v = (part.unflatten(0, (-1, frames)).permute(0, 2, 3, 4, 1, 5) for part in parts)
        y = F.scaled_dot_product_attention(q, k, v, self.rel_pos_bias(frames))
        y = y.permute(0, 4, 3, 5, 1, 2).flatten(2, 3).flatten(0, 1)
        y = self.output_head(self.norm2(y)).unflatten(0, (-1, frames))
        out: Tensor = x + y * self.gamma[:, None, None]
        return out


@final
class _Spatial(_Attention):
    """The mean of attention along either axis, and an MLP."""

    def __init__(self, width: int, heads: int, *, periodic: bool) -> None:
        super().__init__(width, heads)
        self.periodic = periodic
        self.norm1, self.norm2 = SpreadNorm(width), SpreadNorm(width)
        self.mlp, self.mlp_norm = _MLP(width), SpreadNorm(width)
        self.gamma_att = nn.Parameter(torch.full((width,), 1e-6))
        self.gamma_mlp = nn.Parameter(torch.full((width,), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channel, x, y) to the same shape."""
        q, k, v = (part.transpose(2, 3) for part in self.parts(self.norm1(x)))
        rows = self._along(q, k, v)
        # Attention along one axis at a time: x y (x + y) pairs of tokens, not (x y)^2.
        columns = self._along(*(part.transpose(1, 3) for part in (q, k, v))).transpose(1, 3)
        y = ((rows + columns) / 2).permute(0, 2, 4, 1, 3).flatten(1, 2)
        x = x + self.output_head(self.norm2(y)) * self.gamma_att[:, None, None]
        y = self.mlp(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        out: Tensor = x + self.mlp_norm(y) * self.gamma_mlp[:, None, None]
        return out

    def _along(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend along the last axis but one of (batch, line, head, token, channel)."""
        bias = self.rel_pos_bias(q.shape[3], periodic=self.periodic)
        return F.scaled_dot_product_attention(q, k, v, bias)


@final
class _MLP(nn.Module):
    """Two linear layers with a GELU between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return y
