"""Morph a fixed coarse grid onto every part by a feature-aligned parameterisation.

The idea is that of Mask-Morph Graph U-Net (arXiv:2605.15231). This is a reconstruction, since the
full text was not available. Mean-value coordinates are those of Floater (2003).
"""

from scionwood_crash.morph.frame import Frame, canonical_frame
from scionwood_crash.morph.locate import Placement, place
from scionwood_crash.morph.parametrise import Parametrisation, parametrise
from scionwood_crash.morph.surface import Surface
from scionwood_crash.morph.template import Template, Transfer

__all__ = [
    "Frame",
    "Parametrisation",
    "Placement",
    "Surface",
    "Template",
    "Transfer",
    "canonical_frame",
    "parametrise",
    "place",
]
