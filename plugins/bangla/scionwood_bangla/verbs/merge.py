"""Merge the adapter of a run into its model, as `language` does: `scionwood bangla merge`."""

from __future__ import annotations

from scionwood_language import merge as merge
