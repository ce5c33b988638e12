"""FLUX.2 Klein of diffusers (extra `diffusion`), for adapters that learn pictures with prompts."""

from __future__ import annotations

from scionwood_methods.flux2_klein.model import Flux2Klein, flux2_klein
from scionwood_methods.flux2_klein.pictures import read_pictures

__all__ = ["Flux2Klein", "flux2_klein", "read_pictures"]
