"""Scionwood: parameter-efficient adapters for scientific foundation models.

What only authors of plugins need is in `scionwood.authoring`.

The public names are listed in `__init__.pyi`. A name is imported when it is first used, so that
`import scionwood` imports neither torch nor numpy.
"""

from __future__ import annotations

from scionwood.errors import TYPES
from scionwood.lazy import attach_stub
from scionwood_sandbox.settings import configure

__version__ = "0.1.0"

configure("SCIONWOOD_READERS", "scionwood", TYPES)

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
