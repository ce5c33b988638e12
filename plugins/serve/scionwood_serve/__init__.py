"""Adapters of any field behind a URL: files in, files out, versions that never mix."""

from __future__ import annotations

from scionwood import Plugin
from scionwood.authoring import attach_stub

plugin = Plugin(
    name="serve",
    summary="Adapters of any field behind a URL: files in, files out, versions that never mix",
    commands={
        "run": "scionwood_serve.verbs.run:run",
        "export": "scionwood_serve.verbs.export:export",
    },
    rooms=("exports", "shadow", "versions", "web", "worker"),
)

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
