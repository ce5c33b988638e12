"""Networks on the meshes of crash parts, their inputs, sizes and weights."""

from scionwood_crash.model.graph import CrashGraph
from scionwood_crash.model.meshgraphnet import MeshGraphNet
from scionwood_crash.model.presets import SIZES, Size, SizeName
from scionwood_crash.model.transolver import Transolver
from scionwood_crash.model.unet import MaskMorphUNet

__all__ = [
    "SIZES",
    "CrashGraph",
    "MaskMorphUNet",
    "MeshGraphNet",
    "Size",
    "SizeName",
    "Transolver",
]
