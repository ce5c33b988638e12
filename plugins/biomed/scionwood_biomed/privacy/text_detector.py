"""Look for text in the pixels of an image with an OCR (extra `ocr`)."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from scionwood import ReadError

FRAMES = 4
"""Frames of an image that are looked at, evenly spaced."""
LEAST = 2
"""Letters or digits of a finding: one alone is often an edge of tissue, or the mark of a side."""
SURE = 0.6
"""The least certainty of a finding."""


def text_in(dataset: Dataset) -> str:
    """Return where an OCR sees text in the pixels; empty if it sees none.

    That it sees none is no proof: small, faint or handwritten text is missed. The text itself is
    not returned.

    Args:
        dataset: an image with its file meta information.

    Raises:
        ReadError: the OCR is not installed.
    """
    engine = _engine()
    if "PixelData" not in dataset:
        return ""
    for number, picture in _pictures(dataset):
        for box, text, score in engine(picture, use_cls=False)[0] or ():
            if sum(map(str.isalnum, text)) >= LEAST and score >= SURE:
                x, y = np.min(box, 0).astype(int)
                width, height = np.ptp(box, 0).astype(int)
                where = f"at x {x}, y {y}, width {width}, height {height}"
                return f"an OCR sees text in frame {number} {where}"
    return ""


@cache
def _engine() -> Any:
    try:
        from rapidocr_onnxruntime import RapidOCR
    except ImportError as error:
        remedy = "pip install rapidocr-onnxruntime"
        raise ReadError("the search for text", "no OCR is installed", remedy) from error
    return RapidOCR()


def _pictures(dataset: Dataset) -> list[tuple[int, np.ndarray]]:
    """Return frames with their numbers, each (row, column, 3) uint8."""
    count = int(dataset.get("NumberOfFrames") or 1)
    values = dataset.pixel_array.astype(np.float32)
    frames = values if count > 1 else values[None]
    chosen = sorted({round(at) for at in np.linspace(0, count - 1, FRAMES)})
    return [(at, _shown(frames[at])) for at in chosen]


def _shown(frame: np.ndarray) -> np.ndarray:
    low, high = float(frame.min()), float(frame.max())
    grey = ((frame - low) * (255 / max(high - low, 1e-6))).astype(np.uint8)
    shown: np.ndarray = grey if grey.ndim == 3 else np.repeat(grey[..., None], 3, -1)
    return shown
