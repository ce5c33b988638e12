"""Look for text in pictures with the two networks of `rapidocr` (extra `pixels`), without its code.

The networks are read from the package, and nothing is fetched. The detector may say "text, look",
and never "no name": small, faint, turned and handwritten text is missed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np

from scionwood_deid.pixels import Box
from scionwood_deid.seeds import resembles
from scionwood_sandbox import ReadError

FRAMES = 4
"""Frames of an image that are looked at, evenly spaced."""
FEWEST_LETTERS, SURE = 3, 0.8
"""Letters or digits of a text, and its least certainty: one sign is often an edge of tissue."""
GROW, OF_HEIGHT = 3, 0.25
"""Pixels that a box reaches beyond its text, and more by this share of the height of the line."""

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
_PACKAGES = ("rapidocr", "onnxruntime", "cv2")
_REMEDY = "pip install rapidocr onnxruntime"


@final
class TextBox(NamedTuple):
    """A text in a picture; what it says is not returned.

    Attributes:
        box: x, y, width and height in pixels, grown.
        score: how certain the reader is, 0 to 1.
        in_header: whether it resembles a value of the header.
    """

    box: Box
    score: float
    in_header: bool = False


def obstacle() -> str:
    """Return why no text detector can run here; empty if one can."""
    try:
        _networks()
    except ReadError as error:
        return str(error.rule)
    return ""


def text_in(picture: np.ndarray, seeds: Sequence[str] = ()) -> list[TextBox]:
    """Return where the detector sees text; that it sees none is no proof.

    A text counts if its reader is certain and sees three letters or digits, or if it resembles a
    seed, however uncertain the reader is.

    Args:
        picture: (row, column, 3) uint8.
        seeds: values of the header in the form of `seeds.plain`.

    Raises:
        ReadError: its networks are not installed.
    """
    detector, reader, letters = _networks()
    rows, columns = picture.shape[:2]
    texts = []
    for corners in _outlines(detector, picture):
        readings = [_read(reader, letters, line) for line in _lines(picture, corners)]
        text, score = max(readings, key=lambda reading: reading[1])
        in_header = any(resembles(other, seeds) for other, _ in readings)
        if in_header or (score >= SURE and sum(map(str.isalnum, text)) >= FEWEST_LETTERS):
            height = min(np.hypot(*(corners[1] - corners[0])), np.hypot(*(corners[2] - corners[1])))
            grow = GROW + round(OF_HEIGHT * float(height))
            low = np.maximum(np.floor(corners.min(0)).astype(int) - grow, 0)
            high = np.minimum(np.ceil(corners.max(0)).astype(int) + grow, (columns, rows))
            x, y, width, height = (int(side) for side in (*low, *(high - low)))
            texts.append(TextBox((x, y, width, height), score, in_header))
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
    places = {name: find_spec(name) for name in _PACKAGES}
    if missing := [name for name, place in places.items() if place is None]:
        rule = f"{' and '.join(missing)} is not installed"
        raise ReadError("the search for text", rule, _REMEDY)
    models = Path(str(places["rapidocr"].origin)).parent / "models"  # type: ignore[union-attr]
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


def _outlines(detector: Any, picture: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the corners (4, 2) of what the detector takes for lines, the likeliest first."""
    import cv2

    shortest, longest = min(picture.shape[:2]), max(picture.shape[:2])
    scale = min(np.clip(_SIDE / shortest, 1, _MAGNIFIED), _LONGEST / longest)
    rows, columns = (max(_STEP, round(scale * s / _STEP) * _STEP) for s in picture.shape[:2])
    method = cv2.INTER_LINEAR if scale >= 1 else cv2.INTER_AREA
    scaled = cv2.resize(picture, (columns, rows), interpolation=method)
    # Both networks expect the order blue, green, red.
    image = (scaled[..., ::-1] / 255 - _MEAN) / _SPREAD
    feed = {detector.get_inputs()[0].name: image.transpose(2, 0, 1)[None].astype(np.float32)}
    heat_map = detector.run(None, feed)[0][0, 0]
    ratio = np.array([picture.shape[1] / columns, picture.shape[0] / rows])
    count, marks, places, _ = cv2.connectedComponentsWithStats((heat_map > _EDGE).astype(np.uint8))
    text_boxes = []
    for at in range(1, count):
        x, y, width, height = places[at, :4]
        inside = marks[y : y + height, x : x + width] == at
        likely = float(heat_map[y : y + height, x : x + width][inside].mean())
        points = (np.argwhere(inside)[:, ::-1] + [x, y]).astype(np.float32)
        middle, (long, short), angle = cv2.minAreaRect(points)
        if min(long, short) >= 2 and likely >= _LIKELY:
            grow = 1.6 * long * short / (long + short)  # the map shows shrunken lines
            outline = cv2.boxPoints((middle, (long + grow, short + grow), angle))
            text_boxes.append((likely, outline * ratio))
    text_boxes.sort(key=lambda item: -item[0])
    yield from (outline for _, outline in text_boxes[:_LINES])


def _lines(picture: np.ndarray, corners: np.ndarray) -> list[np.ndarray]:
    """Return a line cut out along its longer side, upright and upside down."""
    import cv2

    across, down = corners[1] - corners[0], corners[3] - corners[0]
    if np.hypot(*across) < np.hypot(*down):
        corners = np.roll(corners, 1, 0)
        across, down = corners[1] - corners[0], corners[3] - corners[0]
    width, height = (max(1, round(float(np.hypot(*side)))) for side in (across, down))
    source = corners[[0, 1, 3]].astype(np.float32)
    upright = np.array([[0, 0], [width, 0], [0, height]], np.float32)
    turn = cv2.getAffineTransform(source, upright)
    line = cv2.warpAffine(picture, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return [line, line[::-1, ::-1]]


def _read(reader: Any, letters: list[str], line: np.ndarray) -> tuple[str, float]:
    """Return the text of a line, and the mean certainty of its letters."""
    import cv2

    width = max(_HEIGHT, round(line.shape[1] * _HEIGHT / max(line.shape[0], 1)))
    scaled = cv2.resize(np.ascontiguousarray(line), (min(width, 3200), _HEIGHT))
    image = scaled.astype(np.float32)[..., ::-1].transpose(2, 0, 1) / 127.5 - 1
    answer = reader.run(None, {reader.get_inputs()[0].name: image[None]})[0][0]
    best, certain = answer.argmax(1), answer.max(1)
    # CTC decoding: 0 is the blank, and a letter repeats only across a blank.
    new = (best != 0) & np.concatenate([[True], best[1:] != best[:-1]])
    text = "".join(letters[at] for at in best[new])
    return text, float(certain[new].mean()) if new.any() else 0.0
