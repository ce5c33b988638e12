"""A small network with a layer of every kind that has a fused form."""

from __future__ import annotations

import torch.nn as nn


class Net(nn.Module):
    """Convolutions of one to three dimensions, a norm, a gated unit, linear layers."""

    def __init__(self):
        super().__init__()
        self.volume = nn.Conv3d(2, 4, 3, padding=1)
        self.point = nn.Conv3d(4, 4, 1)
        self.image = nn.Conv2d(4, 6, 3, padding=1)
        self.trace = nn.Conv1d(6, 8, 3, padding=1)
        self.norm = nn.LayerNorm(8)
        self.up = nn.Linear(8, 24)
        self.act = nn.GELU()
        self.down = nn.Linear(24, 8, bias=False)

    def forward(self, x):
        x = self.point(self.volume(x)).mean(2)
        x = self.trace(self.image(x).mean(2)).transpose(1, 2)
        return x + self.down(self.act(self.up(self.norm(x))))


LAYERS = ["volume", "point", "image", "trace", "up", "down"]
