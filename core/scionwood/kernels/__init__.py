"""Fused operators for LoRA layers: plain torch code defines each, a table chooses a faster form.

The public names are listed in `__init__.pyi`. A name is imported when it is first used. `enable`,
`disable`, `folded` and `kernel_report` work on adapter layers. They are defined in
`scionwood.adapters`, since only that room imports peft.
"""

from __future__ import annotations

from scionwood.lazy import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
