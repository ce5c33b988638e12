"""The Python interface of the plugin: simulate, read, write, encode, decode, predict, compare.

States are an `xarray.DataArray` with the dims `sample`, `time`, `channel`, `x`, `y`, `z`; see
`scionwood_pde.readers.states`. Every function that takes states also takes the path of a file.
"""

from __future__ import annotations

from scionwood_pde.adapters.published import adopt
from scionwood_pde.api.accessor import register
from scionwood_pde.api.latents import decode, encode
from scionwood_pde.api.predict import rollout
from scionwood_pde.api.score import evaluate
from scionwood_pde.api.states import States as States
from scionwood_pde.api.states import convert, open_states, simulate, write_states
from scionwood_pde.readers.states import as_dataset

register()

__all__ = [
    "adopt",
    "as_dataset",
    "convert",
    "decode",
    "encode",
    "evaluate",
    "open_states",
    "register",
    "rollout",
    "simulate",
    "write_states",
]
