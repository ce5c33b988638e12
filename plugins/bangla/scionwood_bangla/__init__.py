"""Bangla: who is addressed how in letters and dialogues, and whether verbs agree with it."""

from __future__ import annotations

from scionwood import Plugin

plugin = Plugin(
    name="bangla",
    summary="Bangla letters and dialogues: judge their levels of address, and teach them to models",
    backbones={"causal_lm": "scionwood_bangla.backbones:causal_lm"},
    data={
        "generated": "scionwood_bangla.datamodules:Generated",
        "files": "scionwood_bangla.datamodules:Files",
        "preferences": "scionwood_bangla.preference_data:Preferences",
    },
    tasks={
        "sft": "scionwood_bangla.tasks:Sft",
        "dpo": "scionwood_bangla.dpo:RegisterPreference",
    },
    commands={
        "check": "scionwood_bangla.cli:check",
        "score": "scionwood_bangla.cli:score",
        "evaluate_checker": "scionwood_bangla.cli:evaluate_checker",
        "tokenizers": "scionwood_bangla.cli:tokenizers",
        "generate": "scionwood_bangla.cli_generation:generate",
        "evaluate": "scionwood_bangla.cli_generation:evaluate",
        "prefer": "scionwood_bangla.cli_preferences:prefer",
        "merge": "scionwood_bangla.cli_preferences:merge",
    },
    recipes="scionwood_bangla.recipes",
)
