"""Bangla: who is addressed how in letters and dialogues, and whether verbs agree with it."""

from __future__ import annotations

from scionwood import Plugin

plugin = Plugin(
    name="bangla",
    summary="Check the levels of address (tui, tumi, apni) in Bangla letters and dialogues",
    commands={
        "check": "scionwood_bangla.cli:check",
        "score": "scionwood_bangla.cli:score",
        "evaluate_checker": "scionwood_bangla.cli:evaluate_checker",
        "tokenizers": "scionwood_bangla.cli:tokenizers",
    },
)
