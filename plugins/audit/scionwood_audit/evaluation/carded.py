"""What the probes of an audit found, as a section of the card of its run."""

from __future__ import annotations

import re
from pathlib import Path

from scionwood.authoring import atomic_path, reading, writing
from scionwood_audit.record import Audit, AuditError

CARD, HEADING = "README.md", "## Behaviour"

_SECTION = re.compile(rf"\n*^{HEADING}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def write_card(audit: Audit, run: str | Path) -> Path:
    """Write what the probes found into the card of a run, in place of what was there before.

    The list of a run's files does not contain its card, so that the run still loads.

    Args:
        audit: the audit of the run.
        run: the folder of the run.

    Returns:
        The card.

    Raises:
        AuditError: no probe ran, or the run has no card.
        WriteError: the card cannot be written.

    Example:
        >>> from pathlib import Path
        >>> from scionwood_audit import Audit, Row, write_card
        >>> Path("README.md").write_text("# A run")
        7
        >>> row = Row("behaviour", "no travel", "broken", "2 mm", "at most 1", "nothing moves it")
        >>> print(write_card(Audit("a run", [row]), ".").read_text().splitlines()[-1])
        - **no travel** is broken: nothing moves it.
    """
    card = Path(run) / CARD
    rows = [row for row in audit.rows if row.part == "behaviour" and row.limit]
    if not rows:
        raise AuditError(f"run {audit.subject}", "no probe ran on it", "Audit a run that loads")
    if not card.is_file():
        raise AuditError(str(card), "the run has no card", "Train it with this version")
    lines = [
        f"{HEADING}\n",
        "Probes with a known answer, by `scionwood audit run`. A broken limit is a fault of this",
        "model that a user should know, and no sign of an attack.\n",
        "| probe | found | limit | result |",
        "| --- | --- | --- | --- |",
        *(f"| {row.name} | {row.value} | {row.limit} | {row.status} |" for row in rows),
    ]
    broken = [row for row in rows if row.status == "broken"]
    lines += [""] if broken else []
    lines += [f"- **{row.name}** is broken: {row.reason}." for row in broken]
    section = "\n".join(lines)
    with reading(card, "card"):
        text = _SECTION.sub("\n\n", card.read_text("utf-8")).strip()
    with writing(card), atomic_path(card, overwrite=True) as part:
        part.write_text(f"{text}\n\n{section}\n", encoding="utf-8")
    return card
