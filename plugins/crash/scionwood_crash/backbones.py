"""The networks that recipes name."""

from __future__ import annotations

from scionwood_crash.model.meshgraphnet import MeshGraphNet
from scionwood_crash.model.transolver import Transolver
from scionwood_crash.model.unet import MaskMorphUNet

__all__ = ["MaskMorphUNet", "MeshGraphNet", "Transolver"]
