"""Evidence about an adapter before it is used: files, origin, weights, behaviour, training."""

from __future__ import annotations

from scionwood import Plugin

plugin = Plugin(
    name="audit",
    summary="Evidence about an adapter before it is used: files, origin, weights, behaviour, "
    "adaptive parts, and the corruption that it was trained with",
    commands={
        "adapter": "scionwood_audit.cli.auditing:adapter",
        "run": "scionwood_audit.cli.auditing:run",
        "training": "scionwood_audit.cli.auditing:training",
    },
    rooms=(
        "audits",
        "behaviour",
        "cohort",
        "corruption",
        "departure",
        "direction",
        "origin",
        "parts",
        "record",
        "structure",
    ),
)
