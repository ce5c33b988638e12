"""The networks: Tadpole as an autoencoder, a model of dynamics, and a generator."""

from __future__ import annotations

from scionwood_pde.model.autoencoder import Tadpole
from scionwood_pde.model.coder import Coder
from scionwood_pde.model.dynamics import TadpoleDynamics
from scionwood_pde.model.encoder import Gaussian
from scionwood_pde.model.flow import TadpoleFlow
from scionwood_pde.model.presets import SIZES, STRIDE, Size, SizeName
from scionwood_pde.model.tiles import Boundary, Tiling

__all__ = [
    "SIZES",
    "STRIDE",
    "Boundary",
    "Coder",
    "Gaussian",
    "Size",
    "SizeName",
    "Tadpole",
    "TadpoleDynamics",
    "TadpoleFlow",
    "Tiling",
]
