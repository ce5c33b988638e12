"""Apply a model to states: encode and decode them, and predict later states from first ones.

Models see fields with about zero mean and unit variance. Latents are normalised by the mean and the
standard deviation of each state, as in the online training, or by those of the run. A rollout uses
those of the run.
"""

from __future__ import annotations

from scionwood_pde.inference.latents import (
    boundary_of,
    decode,
    encode,
    is_latents,
    latents_layout,
    open_latents,
    source_of,
)
from scionwood_pde.inference.rollouts import (
    beyond_training,
    predicted_layout,
    rollout,
    steps_of,
)
from scionwood_pde.inference.states import check_device, fitting, normaliser_for

__all__ = [
    "beyond_training",
    "boundary_of",
    "check_device",
    "decode",
    "encode",
    "fitting",
    "is_latents",
    "latents_layout",
    "normaliser_for",
    "open_latents",
    "predicted_layout",
    "rollout",
    "source_of",
    "steps_of",
]
