"""Bangla: honorific levels of address in letters and dialogues, checked and taught to models."""

from __future__ import annotations

from scionwood import Plugin
from scionwood.authoring import attach_stub

plugin = Plugin(
    name="bangla",
    summary="Bangla letters and dialogues: check honorific levels, and teach them to models",
    data={
        "generated": "scionwood_bangla.data.conversations:Generated",
        "preferences": "scionwood_bangla.data.preferences:Preferences",
    },
    commands={
        "check": "scionwood_bangla.verbs.check:check",
        "score": "scionwood_bangla.verbs.check:score",
        "generate": "scionwood_bangla.verbs.generate:generate",
        "merge": "scionwood_bangla.verbs.merge:merge",
    },
    probes={"generated": "scionwood_bangla.evaluation.behaviour:answers"},
    recipes="scionwood_bangla.recipes",
    runs="scionwood_bangla.runs",
    rooms=("text",),
    services={
        "check": "scionwood_bangla.verbs.check:serve_check",
        "generate": "scionwood_bangla.verbs.generate:serve_generate",
    },
    parsers={
        "letters": "scionwood_bangla.readers.parsers:Letters",
        "corpora": "scionwood_bangla.readers.parsers:Corpora",
    },
)

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
