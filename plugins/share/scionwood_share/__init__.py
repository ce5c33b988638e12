"""Give away a run: on the hub, as an archive for a web server, and signed.

The public names are listed in `__init__.pyi`. A name is imported when it is first used.
"""

from __future__ import annotations

from scionwood.lazy import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
