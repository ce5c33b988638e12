"""What a server offers of this plugin: files of gathers in, denoised files out."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from scionwood import LoadedRun, Served


def denoise(
    loaded: LoadedRun,
    source: Path,
    out: Path,
    *,
    gather: Literal["fldr", "ep", "cdp", "offset", "iline", "xline", "none"] = "fldr",
    slices: Literal["inline", "crossline", "both"] | None = None,
    vertical: Literal["time", "depth"] = "time",
    samples: int | None = None,
    dt: float | None = None,
    gate: Literal["blend", "report", "off"] = "blend",
    strong: float = 0.85,
    weak: float = 0.95,
    common_mode: bool = False,
    page: bool = False,
) -> Served:
    """Denoise a file without harm, as `scionwood seismic denoise` does with the same run.

    Adaptation to the single gather is not served: it changes the weights that others use.

    Args:
        loaded: a run of `seismic/denoise` or `seismic/blind`.
        source: SEG-Y or another format that has a reader.
        out: the folder of the results.
        gather: the SEG-Y trace header whose value identifies a gather; `none`: the file is one
            gather.
        slices: for a volume after stack in SEG-Y: `inline`, `crossline` or `both`.
        vertical: whether the samples of a SEG-Y file are in time or in depth.
        samples: samples per trace, in place of what the headers give.
        dt: the sample interval, s (m in a depth file), in place of what the headers give.
        gate: what the harm gate does: `blend`, `report` or `off`.
        strong: the least recovered amplitude of events of 4 times the local RMS.
        weak: that of events of the local RMS.
        common_mode: also remove what all traces of a gather share.
        page: also write the page of quality control.

    Raises:
        ReadError: the file is damaged, or no reader knows its format.
        RecipeError: the file does not suit the options or the run.
    """
    from scionwood_seismic.inference.files import denoise_file
    from scionwood_seismic.inference.gate import GateOptions
    from scionwood_seismic.inference.request import Outputs, Request

    clean = out / f"{source.stem}_clean{source.suffix}"
    shown = out / "page.html" if page else None
    request = Request(
        loaded.folder,
        gather=None if gather == "none" else gather,
        slices=slices,
        vertical=vertical,
        samples=samples,
        dt=dt,
        gate=GateOptions(gate, strong, weak),
        common_mode=common_mode,
        device=loaded.device,
        tta="none",
    )
    denoise_file(source, Outputs(clean, qc=shown), request)
    return Served(clean, shown if shown and shown.exists() else None)
