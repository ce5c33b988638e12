"""Fused operators. Each has a reference implementation in plain torch, which defines it."""

from __future__ import annotations

from scionwood_seismic.kernels.operators import Moments, kurtosis, moments, report

__all__ = ["Moments", "kurtosis", "moments", "report"]
