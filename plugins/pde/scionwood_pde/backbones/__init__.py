"""The backbones that recipes name: each function builds a model and loads its weights."""

from __future__ import annotations

from scionwood_pde.backbones.corrector import corrector
from scionwood_pde.backbones.forecasts import bilinear, tadpole_mixed, unet
from scionwood_pde.backbones.mpp import mpp
from scionwood_pde.backbones.operators import fno, tfno
from scionwood_pde.backbones.poseidon import poseidon
from scionwood_pde.backbones.tadpole import tadpole, tadpole_dynamics, tadpole_flow
from scionwood_pde.backbones.walrus import walrus

__all__ = [
    "bilinear",
    "corrector",
    "fno",
    "mpp",
    "poseidon",
    "tadpole",
    "tadpole_dynamics",
    "tadpole_flow",
    "tadpole_mixed",
    "tfno",
    "unet",
    "walrus",
]
