"""Adapters of any field behind a URL: files in, files out, versions that never mix."""

from __future__ import annotations

from scionwood import Plugin

plugin = Plugin(
    name="serve",
    summary="Adapters of any field behind a URL: files in, files out, versions that never mix",
    commands={
        "run": "scionwood_serve.cli:run",
        "export": "scionwood_serve.cli.exporting:export",
    },
    rooms=("exports", "shadow", "versions", "web", "worker"),
)
