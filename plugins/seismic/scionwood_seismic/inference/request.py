"""What a user asks of the denoising of a file: the outputs, the model and the options."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from scionwood.authoring import check_target
from scionwood_seismic.evaluation.report import qc_files
from scionwood_seismic.inference.choice import Model
from scionwood_seismic.inference.gate import GateOptions
from scionwood_seismic.inference.precision import Precision
from scionwood_seismic.readers.axis import Vertical
from scionwood_seismic.readers.base import SeismicReader
from scionwood_seismic.readers.opening import open_reader
from scionwood_seismic.readers.segy import Gather

Tta = Literal["recipe", "none", "matched", "kurtosis"]

Slices = Literal["inline", "crossline", "both"]

_DIRECTIONS: Mapping[Slices, Gather] = {"inline": "iline", "crossline": "xline", "both": "xline"}


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
        found: list[dict[str, Any]] = content.get("reports", [])
        return found

    def finished(self, work: Mapping[str, Any]) -> bool:
        """Return whether `clean` exists and its sidecar records exactly this work."""
        try:
            record = json.loads(self.sidecar.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return self.clean.exists() and isinstance(record, dict) and record.get("work") == work


@dataclass(frozen=True)
class Request:
    """What a user wants of the denoising of a file.

    Attributes:
        run: a run of the denoising task; None: one of the shipped field runs, by `model`.
        model: `auto` chooses by the file; else the name of a field run, or of the domain of `run`.
        gather: for SEG-Y, the trace header whose value identifies a gather; None if the file is
            one gather. `auto` is settled by `section.settled_gathers` before the file is opened.
        slices: for a volume after stack in SEG-Y, the direction of its slices; None: it is read by
            `gather`.
        vertical: whether the samples of a SEG-Y file are in time or in depth.
        samples: samples per trace, in place of what the headers of the file give.
        dt: the sample interval, s, in place of what the headers give.
        gate: the options of the harm gate.
        common_mode: also remove what all traces of a gather share.
        device: where to compute.
        tile: size and overlap of the tiles, traces and samples; None: those of the model.
        tta: how to adapt to each gather; `recipe` follows the recipe of the run.
        noise_window: start and end of the window without signal, s.
        precision: the arithmetic of the network; `auto` takes bfloat16 where the hardware has it.
        neighbours: slices or shots on each side that the run sees; None: as many as it sees.
    """

    run: str | Path | None = None
    model: Model = "auto"
    gather: Gather | Literal["auto"] | None = "auto"
    slices: Slices | None = None
    vertical: Vertical = "time"
    samples: int | None = None
    dt: float | None = None
    gate: GateOptions = field(default_factory=GateOptions)
    common_mode: bool = False
    device: str = "cpu"
    tile: tuple[int, int] | None = None
    tta: Tta = "recipe"
    noise_window: tuple[float, float] | None = None
    precision: Precision = "auto"
    neighbours: int | None = None

    def open(self, path: Path) -> SeismicReader:
        """Open a file as the request says; with both directions of slices, by crosslines.

        The header of gathers is settled before.
        """
        gather = _DIRECTIONS[self.slices] if self.slices else self.gather
        assert gather != "auto"
        return open_reader(
            path, gather=gather, vertical=self.vertical, samples=self.samples, dt=self.dt
        )

    def reading(self) -> dict[str, Any]:
        """Return what decides how a file is read, as JSON values; overrides only if given."""
        given = {"samples": self.samples, "dt": self.dt, "slices": self.slices}
        return {"gather": self.gather, "vertical": self.vertical} | {
            name: value for name, value in given.items() if value is not None
        }
