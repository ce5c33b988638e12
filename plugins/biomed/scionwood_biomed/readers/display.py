"""From modality units to what a radiologist sees: a VOI window, and black as black."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels import apply_voi

from scionwood import ReadError
from scionwood_biomed.readers.dicom_file import frame_item

Window = Literal["file", "range", "soft_tissue", "brain", "lung", "bone"]

WINDOWS: dict[str, tuple[float, float]] = {
    "soft_tissue": (40, 400),
    "brain": (40, 80),
    "lung": (-600, 1500),
    "bone": (400, 1800),
}
"""Centre and width in HU, as radiology uses them on CT."""


def window_values(values: np.ndarray, center: float, width: float) -> np.ndarray:
    """Map `center - width / 2` to 0 and `center + width / 2` to 1, and clip.

    Args:
        values: of any shape, in modality units.
        center: of the window, in the same units.
        width: of the window, above 0.

    Returns:
        float32, 0 to 1.

    Raises:
        ReadError: the width is not positive.

    Source: the function LINEAR_EXACT of DICOM PS3.3 C.11.2.1.3.2.
    """
    if width <= 0:
        raise ReadError(f"window width {width}", "it is above 0", "Choose another window")
    return np.clip((values - center) / width + 0.5, 0, 1).astype(np.float32)


def to_display(values: np.ndarray, header: Dataset, window: Window = "file") -> np.ndarray:
    """Values as they are shown, 0 black to 1 white.

    Args:
        values: (..., row, column, channel), in modality units; RGB stays as it is.
        header: of the file, as `DicomFile.header`.
        window: a name of `WINDOWS` (CT only); `file`: the file's first window or VOI table, or the
            range where it has none; `range`: from the least to the greatest value.

    Returns:
        float32 of the same shape; MONOCHROME1, whose least value is white, is inverted last.

    Raises:
        ReadError: a window in HU is asked of something else than CT.

    Source: the order of DICOM PS3.4 N.2: modality, VOI, presentation.
    """
    if window not in get_args(Window):
        raise ReadError(f"window {window!r}", f"it is one of {', '.join(get_args(Window))}")
    if values.shape[-1] == 3:
        return values.astype(np.float32)
    shown = _voi(values, header, window)
    return 1 - shown if header.get("PhotometricInterpretation") == "MONOCHROME1" else shown


def _voi(values: np.ndarray, header: Dataset, window: Window) -> np.ndarray:
    if window in WINDOWS:
        if header.get("Modality") != "CT":
            rule = f"it is in HU, and this is {header.get('Modality', 'of no stated modality')}"
            raise ReadError(f"window {window!r}", rule, "Use 'file' or 'range'")
        return window_values(values, *WINDOWS[window])
    item = frame_item(header, 0, "FrameVOILUTSequence") or header
    if window == "file" and "VOILUTSequence" in header and "WindowCenter" not in item:
        raw = apply_voi(np.rint(values).astype(np.int64), header).astype(np.float32)
        return _range(raw)
    center, width = _first(item.get("WindowCenter")), _first(item.get("WindowWidth"))
    if window == "range" or center is None or not width or width <= 0:
        return _range(values)
    if str(item.get("VOILUTFunction", "")) == "SIGMOID":
        return (1 / (1 + np.exp(-4 * (values - center) / width))).astype(np.float32)
    return window_values(values, center, width)


def _range(values: np.ndarray) -> np.ndarray:
    low, high = float(values.min()), float(values.max())
    return ((values - low) / max(high - low, 1e-12)).astype(np.float32)


def _first(value: object) -> float | None:
    if value is None or value == "":
        return None
    return float(value[0] if isinstance(value, list | tuple) or hasattr(value, "append") else value)  # type: ignore[index,arg-type]
