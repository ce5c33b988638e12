"""What a server offers of this plugin: files of gathers in, denoised files out."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from scionwood import ReadError, RecipeError
from scionwood.authoring import LoadedRun, Served, reading

ARRAY = ".npy"
"""The ending of an array, which a server makes of JSON."""


def denoise(
    loaded: LoadedRun,
    source: Path,
    out: Path,
    *,
    gather: Literal["auto", "fldr", "ep", "cdp", "offset", "iline", "xline", "none"] = "auto",
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

    Adaptation to the single gather is not served: it changes the weights that others use. An array
    is (trace, time) or (gather, trace, time), and so is the answer, in the same unit.

    Args:
        loaded: a run of `seismic/denoise` or `seismic/blind`.
        source: SEG-Y or another format that has a reader, or an array, which needs `dt`.
        out: the folder of the results.
        gather: the SEG-Y trace header whose value identifies a gather; `none`: the file is one
            gather; `auto`: `fldr`, or `none` for a section whose gathers have few traces.
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

    shape: tuple[int, ...] = ()
    if source.suffix == ARRAY:
        source, shape = _as_segy(source, out / "array.sgy", dt)
        gather = "fldr"
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
    file = _as_array(clean, out / f"array_clean{ARRAY}", shape) if shape else clean
    return Served(file, shown if shown and shown.exists() else None)


def _as_segy(source: Path, target: Path, dt: float | None) -> tuple[Path, tuple[int, ...]]:
    """Write an array as SEG-Y, each gather under a number of its own; also return its shape."""
    import numpy as np

    from scionwood_seismic.readers.create import write_segy

    with reading(source, "array"):
        values = np.load(source, allow_pickle=False)
    if values.ndim not in (2, 3) or values.dtype.kind not in "iuf":
        rule = f"gathers are (trace, time) or (gather, trace, time), and this is {values.shape}"
        raise ReadError(source.name, rule, "Send real numbers with two or three axes")
    if dt is None or not dt > 0:
        raise RecipeError(f"dt={dt}", "an array does not state its sample interval", "Give dt, s")
    stack = values if values.ndim == 3 else values[None]
    write_segy(target, stack.astype(np.float32), dt=dt)
    return target, values.shape


def _as_array(source: Path, target: Path, shape: tuple[int, ...]) -> Path:
    """Write the gathers of a SEG-Y file as an array of a shape."""
    import numpy as np

    from scionwood_seismic.readers.opening import open_reader

    gathers = np.stack([record.data for record in open_reader(source, gather="fldr")])
    np.save(target, gathers.reshape(shape))
    return target
