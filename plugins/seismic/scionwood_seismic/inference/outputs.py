"""The output files of a denoising."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scionwood.authoring import check_target
from scionwood_seismic.evaluation.report import qc_files


@dataclass(frozen=True)
class Outputs:
    """The output files, and whether they may replace existing ones.

    Attributes:
        clean: the denoised file; `NAME.json` beside it records how it was made.
        noise: the removed noise, a file of the same format.
        qc: the QC figure or page.
        force: replace existing files.
    """

    clean: Path
    noise: Path | None = None
    qc: Path | None = None
    force: bool = False

    @property
    def sidecar(self) -> Path:
        """The file that records how `clean` was made."""
        return self.clean.with_name(self.clean.name + ".json")

    def check(self) -> None:
        """Refuse existing outputs before the work starts.

        Raises:
            OutputExistsError: an output exists and `force` is false.
        """
        qc = () if self.qc is None else qc_files(self.qc)
        for path in (self.clean, self.sidecar, self.noise, *qc):
            if path is not None:
                check_target(path, self.force)

    def reports(self) -> list[dict[str, Any]]:
        """Return the reports of the gathers in the sidecar; those of a former version has none."""
        content = json.loads(self.sidecar.read_text(encoding="utf-8"))
        reports: list[dict[str, Any]] = content.get("reports", [])
        return reports

    def finished(self, work: Mapping[str, Any]) -> bool:
        """Return whether `clean` exists and its sidecar records exactly this work."""
        try:
            record = json.loads(self.sidecar.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return self.clean.exists() and isinstance(record, dict) and record.get("work") == work
