"""Whether a run may be shared: it was measured, and the licence of its base does not forbid it."""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path

from scionwood.errors import TrainingError, WriteError
from scionwood.runs.card import metadata, one_line
from scionwood.runs.layout import ADAPTER, MANIFEST, METRICS
from scionwood_sandbox.files import reading

FORBIDDEN = (
    r"no[- ]?deriv",  # NoDerivatives
    r"\bby(-nc)?-nd\b",
    r"(not|non)[- ]redistributable",
    r"no redistribution",
    r"may not be (shared|redistributed)",
    r"proprietary",
    r"confidential",
    r"all rights reserved",
    r"internal use",
)
"""What a licence says that forbids to share what was trained on top of a base."""

UNKNOWN = r"^$|not known|unknown|see the model's own card"
"""What a base says whose licence was not looked up."""


def refuse_unmeasured(run: Path) -> None:
    """Refuse a run without any measured value.

    Args:
        run: a run folder.

    Raises:
        TrainingError: its `metrics.csv` has no value of a validation or a test.
    """
    path = run / METRICS
    rows: list[dict[str, str]] = []
    if path.is_file():
        with reading(path, "CSV"), path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    measured = (k for row in rows for k, value in row.items() if value and k)
    if not any(key.startswith(("val_", "test_")) for key in measured):
        rule = f"{METRICS} has no value of a validation or a test"
        raise TrainingError(f"run {run}", rule, "Train it with validation, so that it has a score")


def refuse_licence(run: Path) -> None:
    """Refuse a run whose base has a licence that forbids sharing, and print any other on stderr.

    The words of `FORBIDDEN` decide. They are a help and no legal advice.

    Args:
        run: a run folder.

    Raises:
        WriteError: the licence forbids it.
    """
    licence = base_licence(run)
    if any(re.search(pattern, licence, re.I) for pattern in FORBIDDEN):
        rule = f"the licence of its base forbids sharing ({licence})"
        raise WriteError(f"run {run}", rule, "Ask the owner of the base for permission")
    if re.search(UNKNOWN, licence, re.I):
        licence = "not known; check that it permits sharing"
    print(f"licence of the base: {licence}", file=sys.stderr)


def base_licence(run: Path) -> str:
    """Return what a run states about the licence of its base; empty if it states nothing.

    Args:
        run: a run folder.

    Raises:
        ReadError: `scionwood.json` is damaged.
    """
    path = run / ADAPTER / MANIFEST
    if path.is_file():
        with reading(path, "JSON"):
            base = json.loads(path.read_text("utf-8"))["base"]
        if isinstance(base, dict) and base.get("licence"):
            return one_line(str(base["licence"]))
    facts = metadata(run)
    licence = facts.get("license_name") or facts.get("license") or ""
    return one_line(str(licence))
