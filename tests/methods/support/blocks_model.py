"""A model of three numbered blocks."""

from __future__ import annotations

import torch
import torch.nn as nn


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.query, self.value = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x):
        return x + self.value(torch.tanh(self.query(x)))


class Blocks(nn.Module):
    """Three blocks and a readout."""

    def __init__(self, width=4):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(1)
            self.blocks = nn.ModuleList(Block(width) for _ in range(3))
            self.readout = nn.Linear(width, 2)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.readout(x)
