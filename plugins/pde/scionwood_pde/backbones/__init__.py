"""The backbones that recipes name: each class builds a model and loads its weights."""

from __future__ import annotations

from scionwood_pde.backbones.corrector import Corrector
from scionwood_pde.backbones.forecasts import BilinearForecast, MixedForecast, UNetForecast
from scionwood_pde.backbones.mpp import MPPForecast
from scionwood_pde.backbones.operators import FNOForecast, TFNOForecast
from scionwood_pde.backbones.poseidon import PoseidonForecast
from scionwood_pde.backbones.spectral import SpectralForecast
from scionwood_pde.model import Tadpole, TadpoleDynamics, TadpoleFlow

__all__ = [
    "BilinearForecast",
    "Corrector",
    "FNOForecast",
    "MPPForecast",
    "MixedForecast",
    "PoseidonForecast",
    "SpectralForecast",
    "TFNOForecast",
    "Tadpole",
    "TadpoleDynamics",
    "TadpoleFlow",
    "UNetForecast",
]
