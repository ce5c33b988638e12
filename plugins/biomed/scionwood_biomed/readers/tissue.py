"""Where there is tissue: in tiles of a stained slide, and in slices of a volume."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from scionwood import ReadError
from scionwood_biomed.readers.slide_file import Level, SlideFile

AIR = -300.0
"""HU between air and what a body is made of."""

LEAST = 0.1
"""Of the fullest slice's share of tissue, what a slice has at least."""


def saturated(pixels: np.ndarray, threshold: float) -> np.ndarray:
    """Whether a pixel is coloured: its saturation (HSV), `1 - min / max`, is above a threshold.

    Args:
        pixels: (y, x, 3) uint8.
        threshold: 0 to 1.

    Returns:
        (y, x) bool; black is not coloured.
    """
    most = pixels.max(-1).astype(np.int32)
    return most - pixels.min(-1) > threshold * most


def tissue_of_strip(
    slide: SlideFile,
    level: Level,
    y: int,
    step: tuple[int, int],
    columns: int,
    threshold: float,
    largest: int,
) -> np.ndarray:
    """The share of tissue of each tile in one row of tiles.

    Args:
        slide: the file.
        level: in which it is looked at.
        y: of the row's upper edge, in pixels of the finest level.
        step: sides of a tile in pixels of the finest level, x and y.
        columns: tiles of the row.
        threshold: see `saturated`.
        largest: bytes that the strip may take.

    Returns:
        (column,) float64, 0 to 1.

    Raises:
        ReadError: the strip takes more: the slide has no coarse level.
    """
    width, height = slide.levels[0].size
    side = step[0] * level.size[0] / width
    rows = max(1, int(step[1] * level.size[1] / height))
    if level.size[0] * rows * 3 > largest:
        rule = f"slide: a row of tiles takes {level.size[0] * rows * 3:,} bytes, with no overview"
        raise ReadError(str(slide.path), rule, "Raise `largest`, or write the slide as a pyramid")
    found = saturated(slide.region(level, (0, y), (level.size[0], rows)), threshold).mean(0)
    edges = np.rint(np.arange(columns + 1) * side).astype(int)
    return np.array([found[a:b].mean() for a, b in pairwise(edges)])


def slices_with_tissue(volume: np.ndarray, *, hounsfield: bool) -> np.ndarray:
    """Slices that show more than air.

    A slice has tissue if its share of foreground is at least a tenth of the fullest slice's. In CT
    the foreground is above -300 HU, elsewhere above Otsu's threshold of the whole volume.

    Args:
        volume: (slice, row, column), or with a channel last.
        hounsfield: whether its values are in HU.

    Returns:
        Indices of slices, ascending; all of them where nothing stands out.

    Source: Otsu 1979, doi:10.1109/TSMC.1979.4310076
    """
    level = AIR if hounsfield else otsu(volume)
    shares = np.array([(part > level).mean() for part in volume])
    found = np.flatnonzero(shares >= LEAST * shares.max())
    return found if shares.max() > 0 else np.arange(len(volume))


def otsu(values: np.ndarray, bins: int = 256) -> float:
    """The threshold that separates two classes of values best.

    Args:
        values: of any shape, finite.
        bins: of the histogram.

    Source: Otsu 1979, doi:10.1109/TSMC.1979.4310076
    """
    count, edges = np.histogram(values, bins)
    middle = (edges[1:] + edges[:-1]) / 2
    low = np.cumsum(count).astype(float)
    high = low[-1] - low
    sums = np.cumsum(count * middle)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = low * high * (sums / low - (sums[-1] - sums) / high) ** 2
    between = np.nan_to_num(between)  # where a class is empty
    return float(edges[1:][int(between.argmax())]) if between.max() > 0 else np.inf
