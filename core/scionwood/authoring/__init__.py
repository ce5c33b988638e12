"""What only authors of plugins need: contracts, readers, whole files, pages, runs and training.

The names are listed in `__init__.pyi`, each with its home, and imported when used.
"""

from __future__ import annotations

from scionwood.lazy import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
