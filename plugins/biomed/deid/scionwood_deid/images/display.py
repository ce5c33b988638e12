"""Convert modality units to displayed grey levels: VOI window and photometric inversion."""

from __future__ import annotations

from typing import get_args

import numpy as np
from pydicom.dataset import Dataset

from scionwood_deid.images.dicom_file import frame_item
from scionwood_deid.images.windows import WINDOWS, Window
from scionwood_sandbox import ReadError


def window_values(values: np.ndarray, center: float, width: float) -> np.ndarray:
    """Map `center - width / 2` to 0 and `center + width / 2` to 1, and clip.

    Args:
        values: array of any shape, in modality units.
        center: centre of the window, in the same units.
        width: width of the window in the same units, above 0.

    Returns:
        float32, 0 to 1.

    Raises:
        ReadError: the width is not positive.

    Source: the function LINEAR_EXACT of DICOM PS3.3 C.11.2.1.3.2.
    """
    if width <= 0:
        raise ReadError(f"window width {width}", "it must be above 0", "Choose another window")
    return np.clip((values - center) / width + 0.5, 0, 1).astype(np.float32)


def to_display(values: np.ndarray, header: Dataset, window: Window = "file") -> np.ndarray:
    """Convert values to displayed grey levels, 0 is black and 1 is white.

    Args:
        values: (..., row, column, channel), in modality units; RGB is returned unchanged.
        header: header of the file, as in `DicomFile.header`.
        window: a name of `WINDOWS` (CT only), `file` or `range`. `file` is the first window or the
            VOI lookup table of the file, or the range of the values if the file has neither.

    Returns:
        float32 of the same shape. MONOCHROME1, whose smallest value is white, is inverted last.

    Raises:
        ReadError: the window is unknown, it is in HU and the image is not CT, or the lookup table
            is not whole.

    Source: DICOM PS3.4 N.2 for the order of modality, VOI and presentation transformations.
    """
    if window not in get_args(Window):
        raise ReadError(f"window {window!r}", f"it must be one of {', '.join(get_args(Window))}")
    if values.shape[-1] == 3:
        return values.astype(np.float32)
    display_values = _voi(values, header, window)
    return (
        1 - display_values
        if header.get("PhotometricInterpretation") == "MONOCHROME1"
        else display_values
    )


def _voi(values: np.ndarray, header: Dataset, window: Window) -> np.ndarray:
    if window in WINDOWS:
        if header.get("Modality") != "CT":
            modality = header.get("Modality", "an image that states no modality")
            rule = f"it is in HU, and this is {modality}"
            raise ReadError(f"window {window!r}", rule, "Use 'file' or 'range'")
        return window_values(values, *WINDOWS[window])
    item = frame_item(header, 0, "FrameVOILUTSequence") or header
    if window == "file" and item.get("VOILUTSequence") and "WindowCenter" not in item:
        return _looked_up(values, item.VOILUTSequence[0])
    center, width = _first(item.get("WindowCenter")), _first(item.get("WindowWidth"))
    if window == "range" or center is None or not width or width <= 0:
        return _range(values)
    function = str(item.get("VOILUTFunction") or "LINEAR").upper()
    if function == "SIGMOID":
        # PS3.3 C.11.2.1.3.1.
        return (1 / (1 + np.exp(-4 * (values - center) / width))).astype(np.float32)
    if function == "LINEAR" and width >= 1:
        # PS3.3 C.11.2.1.2.1: the width counts grey levels, whose first and last are the edges. It
        # has no width below 1; files of real numbers that state one mean the exact function.
        center, width = center - 0.5, width - 1
        if width == 0:
            return (values > center).astype(np.float32)
    return window_values(values, center, width)


def _looked_up(values: np.ndarray, lut: Dataset) -> np.ndarray:
    """Return the entries of a VOI lookup table, 0 to 1 over the range of its bits.

    pydicom's `apply_voi` holds the places in the type of the entries, so that 4096 entries of 8
    bits would begin again at each 256.

    Raises:
        ReadError: the table has fewer entries than it states.

    Source: DICOM PS3.3 C.11.2.1.1.
    """
    count, first, bits = (int(number) for number in lut.LUTDescriptor)
    count = count or 1 << 16
    data = lut.LUTData
    if isinstance(data, bytes):
        data = np.frombuffer(data, "<u2" if len(data) >= 2 * count else np.uint8)
    entries = np.atleast_1d(np.asarray(data, np.float32))[:count]
    if len(entries) < count:
        rule = f"the VOI lookup table has {len(entries)} of the {count} entries that it states"
        raise ReadError("LUTData", rule, "Use the window 'range'")
    places = np.clip(np.rint(values) - first, 0, count - 1).astype(np.int64)
    grey: np.ndarray = np.clip(entries[places] / ((1 << bits) - 1), 0, 1)
    return grey


def _range(values: np.ndarray) -> np.ndarray:
    low, high = float(values.min()), float(values.max())
    return ((values - low) / max(high - low, 1e-12)).astype(np.float32)


def _first(value: object) -> float | None:
    if value is None or value == "":
        return None
    return float(value[0] if isinstance(value, list | tuple) or hasattr(value, "append") else value)  # type: ignore[index,arg-type]
