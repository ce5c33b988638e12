"""The networks that recipes name; `scionwood_crash.pyg` has those of PyTorch Geometric."""

from __future__ import annotations

from scionwood_crash.model.meshgraphnet import MeshGraphNet
from scionwood_crash.model.transolver import Transolver
from scionwood_crash.model.unet import MaskMorphUNet

__all__ = ["MaskMorphUNet", "MeshGraphNet", "Transolver"]
