"""The commands of `scionwood-deid` as commands of this plugin: the same three functions."""

from __future__ import annotations

from scionwood.authoring import InputPath, OutputPath
from scionwood_deid import deidentify, deidentify_check, review

# `scionwood-deid` does without the core, whose marks let its command line check paths at once.
deidentify.__annotations__ |= {"path": InputPath, "target": OutputPath}
deidentify_check.__annotations__ |= {"path": InputPath}
review.__annotations__ |= {"folder": InputPath}

__all__ = ["deidentify", "deidentify_check", "review"]
