"""The Python interface of the plugin: denoise, simulate, read and measure gathers.

Example: denoise an array with one of the runs that the plugin ships.

    >>> import numpy as np
    >>> from scionwood_seismic import api
    >>> noisy = np.random.default_rng(0).standard_normal((96, 250))  # (trace, time)
    >>> clean = api.denoise(noisy)
    >>> clean.shape
    (96, 250)
"""

from __future__ import annotations

from scionwood_seismic.api.files import denoise_file, open_file, simulate
from scionwood_seismic.api.memory import denoise, denoise_gather, quality
from scionwood_seismic.inference.adaptation import Adaptation
from scionwood_seismic.inference.field import FieldResult
from scionwood_seismic.inference.gate import GateOptions

__all__ = [
    "Adaptation",
    "FieldResult",
    "GateOptions",
    "denoise",
    "denoise_file",
    "denoise_gather",
    "open_file",
    "quality",
    "simulate",
]
