"""Denoise the file of a request: gathers in, denoised gathers out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from scionwood import ReadError, RecipeError
from scionwood.authoring import LoadedRun, Served, reading
from scionwood_seismic.inference.options import DenoiseOptions, RequestOptions

ARRAY = ".npy"
"""The ending of an array, which a server makes of JSON."""


def denoise_request(
    loaded: LoadedRun,
    source: Path,
    out: Path,
    *,
    options: RequestOptions = RequestOptions(),
    page: bool = False,
) -> Served:
    """Denoise a file without harm, as `scionwood seismic denoise` does with the same run.

    Adaptation to the single gather is not served: it changes the weights that others use. An array
    is (trace, time) or (gather, trace, time), and so is the answer, in the same unit.

    Args:
        loaded: a run of `seismic/denoise` or `seismic/blind`.
        source: SEG-Y or another format that has a reader, or an array, which needs `dt`.
        out: the folder of the results.
        options: the harm gate, and how the file is read.
        page: also write the page of quality control.

    Raises:
        ReadError: the file is damaged, or no reader knows its format.
        RecipeError: the file does not suit the options or the run.
    """
    from scionwood_seismic.inference.files import denoise_file
    from scionwood_seismic.inference.outputs import Outputs

    shape: tuple[int, ...] = ()
    if source.suffix == ARRAY:
        source, shape = _as_segy(source, out / "array.sgy", options.dt)
        options = replace(options, gather="fldr")
    clean = out / f"{source.stem}_clean{source.suffix}"
    qc = out / "page.html" if page else None
    work = DenoiseOptions(**vars(options), run=loaded.folder, device=loaded.device, tta="none")
    denoise_file(source, Outputs(clean, qc=qc), work)
    file = _as_array(clean, out / f"array_clean{ARRAY}", shape) if shape else clean
    return Served(file, qc if qc and qc.exists() else None)


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

    from scionwood_seismic.readers.opening import open_file

    gathers = np.stack([record.data for record in open_file(source, gather="fldr")])
    np.save(target, gathers.reshape(shape))
    return target
