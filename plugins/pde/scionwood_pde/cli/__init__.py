"""The commands `scionwood pde simulate | convert | encode | decode | rollout | evaluate`."""

from __future__ import annotations

from scionwood_pde.cli.latents import decode, encode
from scionwood_pde.cli.predictions import evaluate, rollout
from scionwood_pde.cli.states import convert, simulate

__all__ = ["convert", "decode", "encode", "evaluate", "rollout", "simulate"]
