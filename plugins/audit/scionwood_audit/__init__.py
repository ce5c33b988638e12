"""Evidence about an adapter before it is used: files, origin, behaviour, weights, training."""

from __future__ import annotations

from scionwood import Plugin
from scionwood.authoring import attach_stub

plugin = Plugin(
    name="audit",
    summary="Evidence about an adapter before it is used: files, origin, behaviour on your data, "
    "weights, and the corruption that it was trained with",
    commands={
        "adapter": "scionwood_audit.verbs.audit:audit_adapter",
        "run": "scionwood_audit.verbs.audit:audit_run",
        "training": "scionwood_audit.verbs.audit:audit_training",
    },
    rooms=(
        "audits",
        "behaviour",
        "cohort",
        "corruption",
        "direction",
        "origin",
        "record",
        "structure",
    ),
)

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
