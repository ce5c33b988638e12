"""Morph: a fixed coarse grid laid onto every part by a feature-aligned parameterisation.

The idea is that of Mask-Morph Graph U-Net (arXiv:2605.15231), whose full text could not be read:
this is a reconstruction. Mean-value coordinates are those of Floater (2003).
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
