"""Adapted layers of e3nn keep what they are for: turned atoms have turned forces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
import torch.nn as nn
from case_table import table
from peft import IA3Config, LoraConfig, PeftConfig

from scionwood.adapters import attach, merge

o3 = pytest.importorskip("e3nn.o3")
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}
"""The most that a rotation moves the forces, relative to the largest of them."""

METHODS: dict[str, Callable[[], PeftConfig]] = {
    "lora": lambda: LoraConfig(r=2),
    "dora": lambda: LoraConfig(r=2, use_dora=True),
    "ia3": lambda: IA3Config(feedforward_modules=[]),
}


class Potential(nn.Module):
    """The forces (n, 3) on atoms at places (n, 3): one message of a NequIP-like network."""

    def __init__(self) -> None:
        from e3nn.nn import FullyConnectedNet

        super().__init__()
        self.harmonics = o3.SphericalHarmonics("0e+1o+2e", True, "component")
        self.spread = o3.Linear("0e+1o+2e", "8x0e+6x1o+4x2e")
        self.mix = o3.Linear("8x0e+6x1o+4x2e", "8x0e+6x1o+4x2e")
        self.square = o3.TensorSquare("8x0e+6x1o+4x2e", "8x0e+6x1o")
        self.read = o3.Linear(self.square.irreps_out, "3x0e")
        self.radial = FullyConnectedNet([4, 8, 3], nn.functional.silu)

    def forward(self, places: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            places = places.detach().requires_grad_()
            pairs = places[:, None] - places[None]
            bonds = pairs[~torch.eye(len(places), dtype=torch.bool)]
            lengths = bonds.norm(dim=1, keepdim=True)
            weights = self.radial(
                torch.exp(-((lengths - torch.arange(1.0, 5.0, dtype=places.dtype)) ** 2))
            )
            message = self.spread(self.harmonics(bonds)) * weights[:, :1]
            atoms = message.reshape(len(places), len(places) - 1, -1).sum(1)
            energy = (self.read(self.square(self.mix(atoms))) * weights.sum()).sum()
            (slope,) = torch.autograd.grad(energy, places)
        return -slope


@contextmanager
def precision(dtype: torch.dtype) -> Iterator[None]:
    """Make tensors of a dtype; e3nn rounds its Clebsch-Gordan coefficients to the default one."""
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@table("method", METHODS)
def test_turned_atoms_have_turned_forces_before_and_after_a_merge(method: str) -> None:
    for dtype, error in TOLERANCE.items():
        with precision(dtype):
            torch.manual_seed(0)
            targets = r"spread|mix|read|radial\.layer\d"
            tuned = attach(Potential(), METHODS[method](), targets=targets, head=())
            bare = tuned(places := torch.randn(4, 3))
            for parameter in tuned.parameters():
                if parameter.requires_grad:
                    parameter.data += 0.3 * torch.randn_like(parameter)
            forces, turn = tuned(places), o3.rand_matrix()
            assert (forces - bare).abs().max() > 1e-2 * bare.abs().max(), "the adapter acts"
            bound = error * forces.abs().max()
            assert (tuned(places @ turn.T) - forces @ turn.T).abs().max() <= bound
            merge(tuned)
            assert (tuned(places) - forces).abs().max() <= bound
