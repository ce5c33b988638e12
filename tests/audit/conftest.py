"""Runs and adapters of the toy plugin's size, made by real trainings."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from peft import LoraConfig
from torch import nn

import scionwood

sys.path.insert(0, str(Path(__file__).parent))


class Net(nn.Module):
    """Two linear layers and a head."""

    head = ("out",)
    adapter_targets: ClassVar = {"all": "first|second"}

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.first, self.second = nn.Linear(12, 16), nn.Linear(16, 16)
            self.out = nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = self.out(torch.tanh(self.second(torch.tanh(self.first(x)))))
        return made


@pytest.fixture
def net() -> Net:
    return Net()


@pytest.fixture
def save() -> Callable[..., Path]:
    """Return a function that saves an adapter whose B has a chosen size."""

    def make(folder: Path, seed: int, *, r: int = 2, size: float = 1.0, odd: float = 1.0) -> Path:
        config = LoraConfig(r=r, lora_alpha=4)
        model = scionwood.attach(Net(), config, targets="first|second", head=())
        torch.manual_seed(seed)
        for name, value in model.named_parameters():
            if "lora_B" in name:
                value.data.normal_(std=size * (odd if "first" in name else 1.0))
        scionwood.save_adapter(model, folder)
        return folder

    return make
