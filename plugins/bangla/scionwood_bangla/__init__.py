"""Bangla: honorific levels of address in letters and dialogues, checked and taught to models."""

from __future__ import annotations

from scionwood import Plugin

plugin = Plugin(
    name="bangla",
    summary="Bangla letters and dialogues: check honorific levels, and teach them to models",
    data={
        "generated": "scionwood_bangla.data.conversations:Generated",
        "files": "scionwood_bangla.data.conversations:Files",
        "preferences": "scionwood_bangla.data.preferences:Preferences",
    },
    commands={
        "check": "scionwood_bangla.cli.check:check",
        "score": "scionwood_bangla.cli.check:score",
        "evaluate_checker": "scionwood_bangla.cli.check:evaluate_checker",
        "tokenizers": "scionwood_bangla.cli.tokenizers:tokenizers",
        "audit": "scionwood_bangla.cli.corpus:audit",
        "serve": "scionwood_bangla.cli.corpus:serve",
        "lsp": "scionwood_bangla.cli.corpus:lsp",
        "generate": "scionwood_bangla.cli.generate:generate",
        "evaluate": "scionwood_bangla.cli.generate:evaluate",
        "prefer": "scionwood_bangla.cli.prefer:prefer",
        "merge": "scionwood_bangla.cli.prefer:merge",
    },
    probes={"generated": "scionwood_bangla.evaluation.behaviour:answers"},
    recipes="scionwood_bangla.recipes",
    runs="scionwood_bangla.runs",
    rooms=("checker", "generator", "lexicon", "text"),
    services={
        "check": "scionwood_bangla.services:check",
        "generate": "scionwood_bangla.services:generate",
    },
    parsers={
        "examples": "scionwood_bangla.readers.parsers:Examples",
        "letters": "scionwood_bangla.readers.parsers:Letters",
        "preferences": "scionwood_bangla.data.parsers:Preferences",
        "corpora": "scionwood_bangla.evaluation.parsers:Corpora",
    },
)
