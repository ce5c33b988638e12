"""Scionwood: parameter-efficient adapters for scientific foundation models.

The public names are listed in `__init__.pyi`. A name is imported when it is first used, so that
`import scionwood` imports neither torch nor numpy.
"""

from __future__ import annotations

from scionwood.lazy import attach_stub

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
