"""A run as a file for programs that do not have Scionwood: torch.export, ONNX, merged weights."""

from __future__ import annotations

from scionwood.lazy import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
