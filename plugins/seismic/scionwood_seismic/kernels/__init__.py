"""Fused operators; each has a reference in plain torch, which is its definition."""

from __future__ import annotations

from scionwood_seismic.kernels.operators import Moments, kurtosis, moments, report

__all__ = ["Moments", "kurtosis", "moments", "report"]
