"""Detect tissue in the tiles of a stained slide and in the slices of a volume."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from scionwood import ReadError
from scionwood_biomed.readers.slide_file import Level, SlideFile

AIR = -300.0
"""Threshold between air and tissue in CT, in HU."""

SMALLEST_SHARE = 0.1
"""Smallest share of tissue in a slice, relative to the slice with the largest share."""


def saturated(pixels: np.ndarray, threshold: float) -> np.ndarray:
    """Return which pixels have a saturation (HSV), `1 - min / max`, above a threshold.

    Args:
        pixels: (y, x, 3) uint8.
        threshold: 0 to 1.

    Returns:
        (y, x) bool; black pixels are false.
    """
    brightest = pixels.max(-1).astype(np.int32)
    # 1 - min / max > threshold without the division, which black pixels do not have.
    above: np.ndarray = brightest - pixels.min(-1) > threshold * brightest
    return above


def tissue_of_strip(
    slide: SlideFile,
    level: Level,
    y: int,
    step: tuple[int, int],
    columns: int,
    threshold: float,
    largest: int,
) -> np.ndarray:
    """Return the share of tissue of each tile in one row of tiles.

    Args:
        slide: the file.
        level: the level in which tissue is measured.
        y: upper edge of the row, in pixels of the finest level.
        step: sides of a tile, x and y, in pixels of the finest level.
        columns: number of tiles in the row.
        threshold: threshold of the saturation; see `saturated`.
        largest: maximum number of bytes of the strip.

    Returns:
        (column,) float64, 0 to 1.

    Raises:
        ReadError: the strip needs more bytes, because the slide has no coarse level.
    """
    width, height = slide.levels[0].size
    side = step[0] * level.size[0] / width
    rows = max(1, int(step[1] * level.size[1] / height))
    if level.size[0] * rows * 3 > largest:
        needed = level.size[0] * rows * 3
        rule = f"slide: without a coarse level a row of tiles needs {needed:,} bytes"
        raise ReadError(str(slide.path), rule, "Raise `largest`, or write the slide as a pyramid")
    shares = saturated(slide.region(level, (0, y), (level.size[0], rows)), threshold).mean(0)
    edges = np.rint(np.arange(columns + 1) * side).astype(int)
    return np.array([shares[a:b].mean() for a, b in pairwise(edges)])


def slices_with_tissue(volume: np.ndarray, *, hounsfield: bool) -> np.ndarray:
    """Return the slices that show tissue.

    A slice shows tissue if its share of foreground pixels is at least a tenth of the largest share
    of any slice. In CT the foreground is above -300 HU; in other volumes it is above Otsu's
    threshold of the whole volume.

    Args:
        volume: (slice, row, column), or (slice, row, column, channel).
        hounsfield: whether the values are in HU.

    Returns:
        Ascending indices of the slices; all slices if no pixel is foreground.

    Source: Otsu 1979, doi:10.1109/TSMC.1979.4310076
    """
    level = AIR if hounsfield else otsu(volume)
    shares = np.array([(part > level).mean() for part in volume])
    if shares.max() == 0:
        return np.arange(len(volume))
    return np.flatnonzero(shares >= SMALLEST_SHARE * shares.max())


def otsu(values: np.ndarray, bins: int = 256) -> float:
    """Return the threshold that maximises the variance between two classes of values.

    Args:
        values: finite values of any shape.
        bins: number of bins of the histogram.

    Source: Otsu 1979, doi:10.1109/TSMC.1979.4310076
    """
    count, edges = np.histogram(values, bins)
    middle = (edges[1:] + edges[:-1]) / 2
    low = np.cumsum(count).astype(float)
    high = low[-1] - low
    sums = np.cumsum(count * middle)
    with np.errstate(divide="ignore", invalid="ignore"):
        # w_0 w_1 (m_0 - m_1)^2, times the squared number of values.
        between = low * high * (sums / low - (sums[-1] - sums) / high) ** 2
    between = np.nan_to_num(between)  # a class is empty
    return float(edges[1:][int(between.argmax())]) if between.max() > 0 else np.inf
