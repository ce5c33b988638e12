"""Decode files from outside in a child process that can neither harm nor stall its parent.

`open_in_child` gives a reader whose decoding happens in such a child. `Session` uses one child for
all files below a folder. `enforced` says what this system can enforce. Linux alone has the means.
"""

from __future__ import annotations

from scionwood.lazy import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
