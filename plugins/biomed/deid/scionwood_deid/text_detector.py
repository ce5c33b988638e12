"""Look for text in pictures with the two networks of `rapidocr` (extra `pixels`), without its code.

It may say "text, look", and never "no name": small, faint, turned and handwritten text is missed.
"""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np

from scionwood_deid.look import Box
from scionwood_sandbox import ReadError

FRAMES = 4
"""Frames of an image that are looked at, evenly spaced."""
FEWEST_LETTERS, SURE = 3, 0.8
"""Letters or digits of a text, and its least certainty: one sign is often an edge of tissue."""
GROW = 3
"""Pixels that a box reaches beyond its text."""

_LIKELY, _EDGE = 0.5, 0.3
"""The mean of the detector's map in a box, and the value of the map at its edge."""
_STEP, _HEIGHT = 32, 48
"""Sides that the detector takes, and the height of a line for the reader, in pixels."""
_SIDE, _MAGNIFIED, _LONGEST = 736, 4, 2016
"""A picture is made larger up to a shortest side, but not by more than this, and smaller."""
# Means and deviations of ImageNet, which the detector expects.
_MEAN, _SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_LINES = 200
"""Boxes of a picture that are read."""


@final
class TextBox(NamedTuple):
    """A text in a picture; what it says is not returned.

    Attributes:
        box: x, y, width and height in pixels, grown.
        score: how certain the reader is, 0 to 1.
    """

    box: Box
    score: float


def obstacle() -> str:
    """Return why no text detector can run here; empty if one can."""
    try:
        _networks()
    except ReadError as error:
        return str(error.rule)
    return ""


def text_in(picture: np.ndarray) -> list[TextBox]:
    """Return where the detector sees text; that it sees none is no proof.

    Args:
        picture: (row, column, 3) uint8.

    Raises:
        ReadError: its networks are not installed.
    """
    detector, reader, letters = _networks()
    texts = []
    for x, y, width, height in _boxes(detector, picture)[:_LINES]:
        low, high = np.array([x, y]) - GROW, np.array([x + width, y + height]) + GROW
        x0, y0 = (int(value) for value in np.maximum(low, 0))
        x1, y1 = (int(value) for value in np.minimum(high, picture.shape[1::-1]))
        text, score = _read(reader, letters, picture[y0:y1, x0:x1])
        if score >= SURE and sum(map(str.isalnum, text)) >= FEWEST_LETTERS:
            texts.append(TextBox((x0, y0, x1 - x0, y1 - y0), score))
    return texts


def chosen(count: int) -> list[int]:
    """Return the frames of an image that are looked at.

    Args:
        count: its number of frames.
    """
    return sorted({round(at) for at in np.linspace(0, count - 1, FRAMES)})


@cache
def _networks() -> tuple[Any, Any, list[str]]:
    """Return the sessions of the detector and the reader, and the letters of the reader."""
    place = find_spec("rapidocr")
    if place is None or find_spec("onnxruntime") is None:
        remedy = "pip install rapidocr onnxruntime"
        raise ReadError("the search for text", "rapidocr or onnxruntime is not installed", remedy)
    models = Path(str(place.origin)).parent / "models"
    paths = [next(iter(sorted(models.glob(f"*{part}*.onnx"))), None) for part in ("_det_", "_rec_")]
    if None in paths:
        rule = f"rapidocr has no networks in {models}"
        raise ReadError("the search for text", rule, "Install rapidocr again")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS") or 0)
    options.log_severity_level = 3
    detector, reader = (
        onnxruntime.InferenceSession(str(p), options, providers=["CPUExecutionProvider"])
        for p in paths
    )
    letters = reader.get_modelmeta().custom_metadata_map["character"].splitlines()
    return detector, reader, ["", *letters, " "]


def _boxes(detector: Any, picture: np.ndarray) -> list[Box]:
    """Return the boxes of the map that the detector draws, grown to whole letters."""
    from PIL import Image
    from scipy import ndimage

    shortest, longest = min(picture.shape[:2]), max(picture.shape[:2])
    scale = min(np.clip(_SIDE / shortest, 1, _MAGNIFIED), _LONGEST / longest)
    sides = [max(_STEP, round(scale * side / _STEP) * _STEP) for side in picture.shape[:2]]
    scaled = Image.fromarray(picture).resize((sides[1], sides[0]), Image.Resampling.BILINEAR)
    # Both networks expect the order blue, green, red.
    image = (np.asarray(scaled, np.float32)[..., ::-1] / 255 - _MEAN) / _SPREAD
    feed = {detector.get_inputs()[0].name: image.transpose(2, 0, 1)[None].astype(np.float32)}
    heat_map = detector.run(None, feed)[0][0, 0]
    marks, _ = ndimage.label(heat_map > _EDGE)
    boxes: list[Box] = []
    ratio = np.array(picture.shape[:2]) / sides
    for at, place in enumerate(ndimage.find_objects(marks), 1):
        rows, columns = place
        height, width = rows.stop - rows.start, columns.stop - columns.start
        inside = heat_map[place][marks[place] == at]
        if min(height, width) < 3 or inside.mean() < _LIKELY:
            continue
        grow = 1.6 * height * width / (2 * (height + width))  # the map shows shrunken lines
        low = np.array([rows.start - grow, columns.start - grow]) * ratio
        high = np.array([rows.stop + grow, columns.stop + grow]) * ratio
        y, x = (int(value) for value in np.maximum(low, 0))
        stop = np.minimum(np.ceil(high), picture.shape[:2])
        boxes.append((x, y, int(stop[1]) - x, int(stop[0]) - y))
    return boxes


def _read(reader: Any, letters: list[str], line: np.ndarray) -> tuple[str, float]:
    """Return the text of a line, and the mean certainty of its letters."""
    from PIL import Image

    # A line that stands upright: the reader expects letters from left to right.
    if line.shape[0] > 1.5 * line.shape[1]:
        line = np.rot90(line)
    width = max(_HEIGHT, round(line.shape[1] * _HEIGHT / max(line.shape[0], 1)))
    scaled = Image.fromarray(np.ascontiguousarray(line)).resize((min(width, 3200), _HEIGHT))
    image = np.asarray(scaled, np.float32)[..., ::-1].transpose(2, 0, 1) / 127.5 - 1
    answer = reader.run(None, {reader.get_inputs()[0].name: image[None].astype(np.float32)})[0][0]
    best, certain = answer.argmax(1), answer.max(1)
    # CTC decoding: 0 is the blank, and a letter repeats only across a blank.
    new = (best != 0) & np.concatenate([[True], best[1:] != best[:-1]])
    text = "".join(letters[at] for at in best[new])
    return text, float(certain[new].mean()) if new.any() else 0.0
