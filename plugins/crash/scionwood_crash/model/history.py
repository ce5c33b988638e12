"""Decoders: from the states of nodes or cells to displacements and plastic strain over time."""

from __future__ import annotations

from typing import Literal, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scionwood_crash.model.blocks import Perceptron
from scionwood_crash.model.graph import (
    CONDITIONS,
    DIRECTION,
    REACH,
    CrashGraph,
    free_flight,
    whole_condition,
)

History = Literal["one_shot", "recurrent"]
SMALL = 0.1
"""Scale of the initial weights of the last layer; an untrained network predicts small motion."""
START = -3.5
"""Initial bias of the growth of plastic strain: about 0.0006 per frame, as in sheet that bends."""
GAIN, REST = 5.0, 0.1
"""The decoder's displacements are in units of GAIN times the travel plus REST, in 100 mm."""


@final
class OneShot(nn.Module):
    """Predict all frames at once."""

    def __init__(self, width: int, frames: int) -> None:
        super().__init__()
        self.frames = frames
        self.perceptron = Perceptron(width, 2 * width, 3 * (frames - 1), norm=False)
        _shrink(self.perceptron.last)

    def forward(self, x: Tensor) -> Tensor:
        """Map states (N, width) to displacements (N, frames, 3); the first frame is at rest."""
        steps = self.perceptron(x).reshape(x.shape[0], self.frames - 1, 3)
        return F.pad(steps, (0, 0, 1, 0))


@final
class Recurrent(nn.Module):
    """Predict each frame as a step from the last one, with a gated recurrent unit in every node.

    Source: the unit is that of Cho et al. 2014, arXiv:1406.1078; its use here is a reconstruction.
    """

    def __init__(self, width: int, frames: int) -> None:
        super().__init__()
        self.frames = frames
        self.unit = nn.GRUCell(3, width)
        self.step = nn.Linear(width, 3)
        _shrink(self.step)

    def forward(self, x: Tensor) -> Tensor:
        """Map states (N, width) to displacements (N, frames, 3); the first frame is at rest."""
        moved = [x.new_zeros(x.shape[0], 3)]
        for _ in range(self.frames - 1):
            x = self.unit(moved[-1], x)
            moved.append(moved[-1] + self.step(x))
        return torch.stack(moved, 1)


@final
class Contact(nn.Module):
    """Contact with the impactor: nodes in its way move at least as far as it does.

    The travel of the impactor is predicted from the mean state and the condition of the part. Its
    speed never exceeds the initial speed. A node with the gap g moves along the impact by at least
    the travel minus g. The dent thus has the shape of the impactor, and one number per frame sets
    its depth. The decoder's displacements are in units of the travel, so that deep and shallow
    dents are learned equally well. This is an addition of this project.

    Args:
        width: width of the states of nodes.
        frames: number of states of a history.
    """

    def __init__(self, width: int, frames: int) -> None:
        super().__init__()
        self.perceptron = Perceptron(width + CONDITIONS, 2 * width, frames - 1, norm=False)

    def forward(self, moved: Tensor, x: Tensor, graph: CrashGraph) -> Tensor:
        """Map displacements (N, frames, 3) of nodes with states (N, width) to the same shape."""
        travel = self.travel(x, graph)[graph.node_assembly]
        moved = moved * (GAIN * travel + REST)[..., None]
        direction = graph.condition[:, DIRECTION][graph.batch]
        along = torch.einsum("ntk,nk->nt", moved, direction)
        ahead = travel - graph.features[:, REACH, None]
        # Only nodes that the impactor would have overtaken are pushed.
        return moved + F.relu(ahead - along)[..., None] * direction[:, None]

    def travel(self, x: Tensor, graph: CrashGraph) -> Tensor:
        """Return the travel of the impactor from the first contact, (assembly, frames), 100 mm."""
        parts, owner, condition = graph.assembly_count, graph.node_assembly, whole_condition(graph)
        ones = torch.ones_like(owner)
        count = owner.new_zeros(parts).index_add(0, owner, ones)[:, None]
        mean = x.new_zeros(parts, x.shape[1]).index_add(0, owner, x) / count
        speed = (
            self.perceptron(torch.cat([mean, condition], 1)) + 1
        )  # initially that of free flight
        # tanh is at most 1: no frame moves farther than the impactor at its first speed.
        free = free_flight(condition)[:, None] / speed.shape[1]
        return F.pad((free * torch.tanh(speed)).cumsum(1), (1, 0))


@final
class PlasticStrain(nn.Module):
    """Predict the plastic strain of cells, which never decreases."""

    def __init__(self, width: int, frames: int) -> None:
        super().__init__()
        self.frames = frames
        self.perceptron = Perceptron(width, width, frames - 1, norm=False)
        _shrink(self.perceptron.last)
        with torch.no_grad():
            self.perceptron.last.bias.fill_(START)

    def forward(self, x: Tensor, cells: Tensor) -> Tensor:
        """Map states (N, width) and cells (C, 4) to (C, frames), 0 in the first frame."""
        # softplus keeps the growth positive, so that the sum over frames never falls.
        growth = F.softplus(self.perceptron(x[cells].mean(1)) - 4)
        return F.pad(growth.cumsum(1), (1, 0))


def make_history(kind: History, width: int, frames: int) -> OneShot | Recurrent:
    """Build a decoder of displacements."""
    return OneShot(width, frames) if kind == "one_shot" else Recurrent(width, frames)


@torch.no_grad()
def _shrink(layer: nn.Linear) -> None:
    layer.weight.mul_(SMALL)
    layer.bias.zero_()
