"""Fused operators; the reference of each in plain torch is its definition."""

from __future__ import annotations

from scionwood_crash.kernels.edge_specific import edge_specific
from scionwood_crash.kernels.operators import edge_block, report
from scionwood_crash.kernels.reference import Weights

__all__ = ["Weights", "edge_block", "edge_specific", "report"]
