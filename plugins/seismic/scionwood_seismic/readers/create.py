"""Write arrays to a new SEG-Y file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import segyio

from scionwood.authoring import atomic_path, writing


def write_segy(
    path: str | Path, gathers: np.ndarray, *, dt: float, overwrite: bool = False
) -> None:
    """Write gathers as SEG-Y revision 1 with IEEE floats; `fldr` numbers the gathers from 1.

    Args:
        path: the file; it appears complete or not at all.
        gathers: (gather, trace, time).
        dt: the sample interval, s.
        overwrite: replace an existing file.

    Raises:
        OutputExistsError: the file exists and `overwrite` is false.
        WriteError: the file cannot be written.
    """
    shots, traces, samples = gathers.shape
    spec = segyio.spec()
    spec.format, spec.tracecount = 5, shots * traces
    spec.samples = np.arange(samples) * dt * 1e3  # ms
    interval = round(dt * 1e6)
    with (
        writing(path),
        atomic_path(path, overwrite=overwrite) as part,
        segyio.create(part, spec) as out,
    ):
        out.bin.update(hdt=interval, hns=samples, rev=1, trflag=1)
        out.trace = np.ascontiguousarray(gathers.reshape(-1, samples), dtype=np.float32)
        for i in range(shots * traces):
            out.header[i] = {
                segyio.TraceField.TRACE_SEQUENCE_LINE: i + 1,
                segyio.TraceField.FieldRecord: i // traces + 1,
                segyio.TraceField.TraceNumber: i % traces + 1,
                segyio.TraceField.TRACE_SAMPLE_COUNT: samples,
                segyio.TraceField.TRACE_SAMPLE_INTERVAL: interval,
            }
