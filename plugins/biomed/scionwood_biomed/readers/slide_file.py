"""A whole-slide file: its levels, regions of a level, and how to write a pyramid."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from scionwood import ReadError
from scionwood_deid import check_pixels

KIND = "slide (.svs, .ndpi, .tiff)"

CHUNK = 256 << 20
"""Maximum number of bytes that one stored tile or strip may decode to."""

OVERVIEW = 16
"""Smallest side of a tile, in pixels of the level in which its tissue is measured."""

_TILE = 256
_AGAIN = "Copy it again: it is truncated, or its header is wrong"


@final
@dataclass(frozen=True)
class Level:
    """One resolution of a slide.

    Attributes:
        index: index of the level, 0 for the finest.
        size: pixels in x and y.
        mpp: pixel size in micrometres, x and y.
    """

    index: int
    size: tuple[int, int]
    mpp: tuple[float, float]


@final
class SlideFile:
    """A slide; the file is opened for each read, so that workers do not share a handle.

    Args:
        path: the file.
        scanned_mpp: pixel size of the finest level in micrometres, instead of the stated one.

    Attributes:
        levels: the levels, from the finest to the coarsest.

    Raises:
        ReadError: the pixels are not RGB of 8 bits, the file cannot hold them, the pixel size is
            unknown, or the stored tiles decode to more than `CHUNK` bytes.
    """

    def __init__(self, path: Path, scanned_mpp: float | None) -> None:
        self.path = path
        with _opened(path) as slide:
            self._check(slide)
            mpp_texts = [slide.properties.get(f"tiffslide.mpp-{axis}") for axis in "xy"]
            mpp = [float(scanned_mpp or m or 0) for m in mpp_texts]
            if not all(0 < m < 1e6 for m in mpp):
                rule = "slide: it does not state its pixel size"
                raise ReadError(str(path), rule, "Give `scanned_mpp`, in micrometres")
            width, height = slide.dimensions
            self.levels = [
                Level(index, (w, h), (mpp[0] * width / w, mpp[1] * height / h))
                for index, (w, h) in enumerate(slide.level_dimensions)
            ]

    def region(self, level: Level, corner: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
        """Read the pixels of a region.

        Args:
            level: one of `levels`.
            corner: x and y of the upper left corner, in pixels of the finest level.
            size: x and y, in pixels of the level.

        Returns:
            (y, x, 3) uint8; black outside the slide.
        """
        with _opened(self.path) as slide:
            pixels: np.ndarray = slide.read_region(corner, level.index, size, as_array=True)
        return np.ascontiguousarray(pixels)

    def overview(self, tile: tuple[int, int]) -> Level:
        """Return the coarsest level in which a tile still has `OVERVIEW` pixels per side.

        Args:
            tile: sides of a tile, x and y, in pixels of the finest level.
        """
        width, height = self.levels[0].size
        enough = [
            level
            for level in self.levels
            if min(tile[0] * level.size[0] / width, tile[1] * level.size[1] / height) >= OVERVIEW
        ]
        return enough[-1] if enough else self.levels[0]

    def _check(self, slide: Any) -> None:
        """Refuse pixels that are not RGB, that the file cannot hold, or in tiles of gigabytes."""
        series = slide.ts_tifffile.series[slide.properties["tiffslide.series-index"]]
        for level in series.levels:
            page = level.keyframe
            if page.dtype != np.uint8 or page.samplesperpixel != 3:
                rule = f"slide: its pixels are {page.dtype} in {page.samplesperpixel} channels"
                raise ReadError(str(self.path), rule, "Convert it to RGB of 8 bits")
            needed = int(np.prod(page.chunks, dtype=object))
            if needed > CHUNK:
                rule = f"slide: its stored tiles decode to {needed:,} bytes"
                raise ReadError(str(self.path), rule, "Write it again with tiles of 256 x 256")
            tiles, listed = int(np.prod(page.chunked, dtype=object)), len(page.dataoffsets)
            if tiles > listed:
                rule = f"slide: {page.imagewidth} x {page.imagelength} pixels need {tiles:,} tiles"
                raise ReadError(str(self.path), f"{rule}, and it lists {listed:,}", _AGAIN)
        check_pixels(self.path, "slide", slide.dimensions, self.path.stat().st_size)


def write_pyramid(path: Path, pixels: np.ndarray, mpp: tuple[float, float]) -> None:
    """Write a tiled lossless TIFF; each level halves the previous one until it fits one tile.

    Args:
        path: file to write.
        pixels: (y, x, 3) uint8, the finest level.
        mpp: pixel size of the finest level in micrometres, x and y.

    Raises:
        ReadError: the extra `slides` is not installed.
    """
    tifffile = _library(path, "tifffile")
    levels = [pixels]
    while max(levels[-1].shape[:2]) > _TILE:
        levels.append(_halved(levels[-1]))
    options = {"tile": (_TILE, _TILE), "photometric": "rgb", "compression": "zlib"}
    with path.open("wb") as file, tifffile.TiffWriter(file, bigtiff=True) as writer:
        for index, level in enumerate(levels):
            writer.write(
                level,
                subifds=len(levels) - 1 if index == 0 else None,
                subfiletype=int(index > 0),
                resolution=tuple(1e4 / (m * 2**index) for m in mpp),
                resolutionunit="CENTIMETER",
                metadata=None,
                software=False,
                **options,
            )


def _halved(pixels: np.ndarray) -> np.ndarray:
    rows, columns = (n // 2 * 2 for n in pixels.shape[:2])
    quads = pixels[:rows, :columns].reshape(rows // 2, 2, columns // 2, 2, 3)
    halved: np.ndarray = np.rint(quads.mean((1, 3))).astype(np.uint8)
    return halved


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    tiffslide = _library(path, "tiffslide")
    # OME-XML is ignored, because it can name other files, which would then be opened.
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with tiffslide.TiffSlide(file, tifffile_options={"is_ome": False}) as slide:
            yield slide


def _library(path: Path, name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        rule = f"slides need the package {name}, which is not installed"
        raise ReadError(str(path), rule, "pip install tiffslide tifffile") from error
