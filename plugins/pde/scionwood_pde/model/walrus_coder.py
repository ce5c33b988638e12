"""Encoder and decoder of Walrus: convolutions whose strides follow the resolution.

The kernels are three-dimensional for planes too: a plane is a volume with one point along z. Axes
without a period are padded, and the padding is marked by channels of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Face = Literal["periodic", "open", "wall"]
"""What lies beyond both faces of an axis."""

KERNELS = (8, 4)
"""Sides of the two kernels of the encoder; the decoder has them in the other order."""

STRIDES = {1: (1, 1), 4: (2, 2), 8: (4, 2), 12: (6, 2), 16: (4, 4), 24: (6, 4), 32: (8, 4)}
"""Strides of the two kernels for each number of points in a token."""

TOKENS = {2: 32, 3: 16}
"""Tokens along an axis of a plane and of a volume, without padding."""

MARKS = (2, 0, 1)
"""Rows of the table for the channels: inside of the domain, beyond a wall, beyond an open face."""

_CHANNEL = {"wall": 1, "open": 2}


@final
@dataclass(frozen=True)
class Frame:
    """How a state is padded and cut into tokens.

    Args:
        sides: points along each axis; a plane has one point along the third.
        faces: what lies beyond each axis.
        strides: strides of the two kernels along each axis.
    """

    sides: tuple[int, ...]
    faces: tuple[Face, ...]
    strides: tuple[tuple[int, int], ...]

    @property
    def pads(self) -> tuple[int, ...]:
        """Points at either face of each axis: as many as the kernels overlap.

        Axes without a period have half a token more, the room in which the authors shift states.
        """
        pads = []
        for side, face, (first, second) in zip(self.sides, self.faces, self.strides, strict=True):
            over = (KERNELS[0] + first * (KERNELS[1] - 1) - first * second) // 2
            more = 0 if face == "periodic" else first * second // 2
            pads.append(0 if side == 1 else over + more)
        return tuple(pads)

    def wraps(self, axis: int) -> bool:
        """Tell whether an axis has more than one point and a period."""
        return self.sides[axis] > 1 and self.faces[axis] == "periodic"


def frame_of(sides: Sequence[int], faces: Sequence[Face]) -> Frame:
    """Return how a state with these sides is padded and cut.

    Raises:
        ValueError: the network has no strides for a side.
    """
    tokens = TOKENS[len(sides)]
    allowed = [tokens * points for points in STRIDES]
    if any(side not in allowed for side in sides):
        raise ValueError(
            f"a state of {tuple(sides)} points: in {len(sides)} dimensions Walrus reads sides of "
            f"{', '.join(map(str, allowed))}. Resample the state"
        )
    strides = [STRIDES[side // tokens] for side in sides]
    if len(sides) == 2:  # a plane has one point along a third axis
        return Frame((*sides, 1), (*faces, "periodic"), (*strides, (1, 1)))
    return Frame(tuple(sides), tuple(faces), tuple(strides))


def padded(x: Tensor, frame: Frame, shifts: Sequence[int]) -> Tensor:
    """Pad states (batch, field, *sides), mark the padding, and shift them along each axis.

    Returns:
        (batch, field + 3, *padded sides).
    """
    pads = frame.pads
    walls = [0 if frame.wraps(axis) else pads[axis] for axis in range(3)]
    x = F.pad(x, _pairs(walls))
    marks = [torch.ones_like(x[:, :1]), torch.zeros_like(x[:, :1]), torch.zeros_like(x[:, :1])]
    for axis, width in enumerate(walls):
        if width:
            line = torch.ones(x.shape[2 + axis], dtype=x.dtype, device=x.device)
            line[width:-width] = 0
            line = line.view([-1 if i == axis else 1 for i in range(3)])
            channel = _CHANNEL[frame.faces[axis]]
            marks[channel] = marks[channel] + line
            marks[0] = marks[0] * (1 - line)
    y = torch.cat([x, *marks], 1).roll(tuple(shifts), (2, 3, 4))
    return F.pad(y, _pairs([p - w for p, w in zip(pads, walls, strict=True)]), mode="circular")


def cropped(y: Tensor, frame: Frame, shifts: Sequence[int]) -> Tensor:
    """Undo `padded` for states without marks."""
    pads = frame.pads
    for axis in range(3):
        if frame.wraps(axis):
            y = y.narrow(2 + axis, pads[axis], frame.sides[axis])
    y = y.roll([-shift for shift in shifts], (2, 3, 4))
    for axis in range(3):
        if not frame.wraps(axis):
            y = y.narrow(2 + axis, pads[axis], frame.sides[axis])
    return y


@final
class SizeNorm(nn.Module):
    """Divide each channel of a map by its root mean square over space.

    The authors call it a group norm; its statistics are those of single channels.

    Args:
        channels: number of channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channel, x, y, z) to the same shape."""
        y = F.rms_norm(x, x.shape[2:])
        return y * self.weight.view(-1, 1, 1, 1)


@final
class WalrusEncoder(nn.Module):
    """Two convolutions from points to tokens; the first has a row for each field.

    Args:
        rows: rows of the table of fields.
        inner: channels between the convolutions.
        width: channels of the tokens.
    """

    def __init__(self, rows: int, inner: int, width: int) -> None:
        super().__init__()
        self.proj1 = nn.Conv3d(rows, inner, KERNELS[0], bias=False)
        self.norm1 = SizeNorm(inner)
        self.proj2 = nn.Conv3d(inner, width, KERNELS[1], bias=False)
        self.norm2 = SizeNorm(width)

    def forward(self, x: Tensor, places: Tensor, frame: Frame) -> Tensor:
        """Map (batch, field + 3, *padded sides) to (batch, channel, *tokens)."""
        fields, rows = len(places), self.proj1.weight.shape[1]
        marks = places.new_tensor(MARKS)
        scale = ((rows - len(MARKS)) / fields) ** 0.5
        chosen = self.proj1.weight[:, torch.cat([places, marks])]
        # As in the authors' code, the mark of the inside is scaled with the fields.
        weight = torch.cat([chosen[:, : fields + 1] * scale, chosen[:, fields + 1 :]], 1)
        first, second = zip(*frame.strides, strict=True)
        y = F.silu(self.norm1(F.conv3d(x, _summed(weight, frame), stride=first)))
        z: Tensor = F.conv3d(y, _summed(self.proj2.weight, frame), stride=second)
        return F.silu(self.norm2(z))


@final
class WalrusDecoder(nn.Module):
    """Two transposed convolutions from tokens to the points of chosen fields.

    Args:
        rows: rows of the table of fields.
        inner: channels between the convolutions.
        width: channels of the tokens.
    """

    def __init__(self, rows: int, inner: int, width: int) -> None:
        super().__init__()
        self.proj1 = nn.ConvTranspose3d(width, inner, KERNELS[1], bias=False)
        self.norm1 = SizeNorm(inner)
        self.proj2 = nn.ConvTranspose3d(inner, rows, KERNELS[0])

    def forward(self, x: Tensor, places: Tensor, frame: Frame) -> Tensor:
        """Map (batch, channel, *tokens) to (batch, field, *padded sides)."""
        first, second = zip(*frame.strides, strict=True)
        y = F.silu(self.norm1(_spread(x, self.proj1.weight, None, second, frame)))
        assert self.proj2.bias is not None
        weight, bias = self.proj2.weight[:, places], self.proj2.bias[places]
        return _spread(y, weight, bias, first, frame)


def _spread(
    x: Tensor, weight: Tensor, bias: Tensor | None, strides: Sequence[int], frame: Frame
) -> Tensor:
    """Apply a transposed convolution that goes around periodic axes."""
    flat = [axis for axis in range(3) if frame.sides[axis] == 1]
    weight = weight.mean([2 + axis for axis in flat], keepdim=True) if flat else weight
    more = [
        weight.shape[2 + axis] // strides[axis] - 1 if frame.wraps(axis) else 0 for axis in range(3)
    ]
    y = F.conv_transpose3d(F.pad(x, _pairs(more), mode="circular"), weight, bias, tuple(strides))
    return F.pad(y, _pairs([-n * stride for n, stride in zip(more, strides, strict=True)]))


def _summed(weight: Tensor, frame: Frame) -> Tensor:
    """Return a kernel for states with one point along some axes."""
    flat = [2 + axis for axis in range(3) if frame.sides[axis] == 1]
    return weight.sum(flat, keepdim=True) if flat else weight


def _pairs(widths: Sequence[int]) -> list[int]:
    """Return the widths of three axes as `F.pad` takes them: last axis first, both faces."""
    return [width for width in reversed(widths) for _ in range(2)]
