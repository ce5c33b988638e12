"""Pretrained weights: fetched by their hash, and verified by their outputs on a fixed input."""

from __future__ import annotations

from scionwood.lazy import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
