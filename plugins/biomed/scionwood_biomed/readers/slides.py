"""Whole-slide images: square tiles of tissue at a chosen pixel size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, final

import numpy as np

from scionwood import ReadError, Record, WriteError
from scionwood.authoring import RecordFunction, atomic_path, reading, writing
from scionwood_biomed.readers.base import IndexedReader, new_data
from scionwood_biomed.readers.slide_file import KIND, Level, SlideFile, write_pyramid
from scionwood_biomed.readers.tissue import tissue_of_strip
from scionwood_deid import LARGEST


@final
class SlideReader(IndexedReader):
    """Read the tiles of a slide that show tissue, row by row, at a pixel size in micrometres.

    The grid of tiles starts at the upper left corner, without overlap. Tiles that would reach
    beyond the slide are left out. A tile is read from the coarsest level that is fine enough and
    averaged down to `size`, so its pixel size is within 0.5 / `size` of `mpp`. Tiles are never
    upsampled. A pixel counts as tissue if its saturation (HSV) is above a threshold, because glass
    is grey and stains are coloured. Labels and overview photographs, which may show a name, are not
    read.

    Args:
        path: the file, a TIFF of Aperio, Hamamatsu, Leica, Philips or Ventana, or a generic one.
        mpp: pixel size of a tile in micrometres; `None` means that of the finest level.
        size: side of a tile in pixels.
        saturation: saturation above which a pixel counts as tissue, 0 to 1.
        tissue: smallest share of tissue in a tile, 0 to 1; 0 gives all tiles.
        scanned_mpp: pixel size of the finest level, if the file does not state it or is wrong.
        largest: maximum number of bytes of the stored pixels of one tile.

    Attributes:
        places: (tile, 2), x and y of the upper left corners in pixels of the finest level.
        level_mpp: pixel size of each level in micrometres, x and y.

    Shapes: (row, column, channel) float32, size x size x 3.

    Units: data from 0 (black) to 1 (white); rows and columns in um from the upper left corner of
        the slide.

    Raises:
        ReadError: the file is not such a slide, is damaged, too large or coarser than `mpp`, its
            pixels are not RGB of 8 bits, its pixel size is unknown, or the extra `slides` is not
            installed.

    Source: tiffslide, https://github.com/Bayer-Group/tiffslide; the tissue mask by saturation is
        from Lu et al. 2021, arXiv:2004.09666 (CLAM), with a fixed threshold.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".svs", ".ndpi", ".scn", ".bif", ".tif", ".tiff")
    dims = ("row", "column", "channel")
    units: Mapping[str, str] = {"row": "um", "column": "um", "channel": "1", "data": "1"}

    def __init__(
        self,
        path: str | Path,
        *,
        mpp: float | None = 0.5,
        size: int = 224,
        saturation: float = 0.06,
        tissue: float = 0.5,
        scanned_mpp: float | None = None,
        largest: int = LARGEST,
    ) -> None:
        self.path, self.size, self.largest = Path(path), size, largest
        with reading(self.path, KIND):
            self._file = SlideFile(self.path, scanned_mpp)
            self.level_mpp = [level.mpp for level in self._file.levels]
            finest = self.level_mpp[0]
            self.mpp = (mpp, mpp) if mpp is not None else finest
            self._level = self._choose()
            # Sides of a tile, x and y, in pixels of the chosen level and of the finest level.
            self._read = self._sides(self._level.mpp)
            self._step = self._sides(finest)
            needed = int(np.prod(self._read)) * 3
            if needed > largest:
                rule = f"slide: a tile at {self.mpp[0]:g} um needs {needed:,} bytes"
                raise ReadError(str(path), rule, "Lower `mpp`, or raise `largest`")
            self.places = self._grid(saturation, tissue)
        if not len(self.places):
            rule = f"slide: no tile of {size} x {size} at {self.mpp[0]:g} um has tissue"
            raise ReadError(str(path), rule, "Lower `tissue`, `saturation` or `mpp`")

    def __len__(self) -> int:
        return len(self.places)

    def read(self, index: int) -> Record:
        """Read a tile by its index, from 0.

        Raises:
            ReadError: its pixels are damaged.
        """
        self.check_index(index, "tile")
        x, y = (int(n) for n in self.places[index])
        with reading(self.path, KIND):
            values = self._file.region(self._level, (x, y), self._read)
        data = _resized(values, self.size)
        finest = self.level_mpp[0]
        steps = (np.arange(self.size) + 0.5) / self.size
        coords = {
            "row": (y + steps * self._step[1]) * finest[1],
            "column": (x + steps * self._step[0]) * finest[0],
        }
        return Record({"tile": index, "x": x, "y": y}, data.astype(np.float32) / 255, coords)

    def rewrite(
        self, target: str | Path, function: RecordFunction, *, overwrite: bool = False
    ) -> None:
        """Write a slide with new tiles, rounded to bytes, as a pyramid of the changed finest level.

        The tiles must have the pixel size of the finest level: open the slide with `mpp=None` or
        with that number. Pixels outside the tiles are kept. The vendor's metadata, the label and
        the overview are not.

        Raises:
            OutputExistsError: `target` exists and `overwrite` is false.
            WriteError: the target cannot be written, the shape changed, the tiles have another
                pixel size, or the slide does not fit into `largest` bytes.
        """
        changed: list[tuple[int, np.ndarray]] = []
        for index, record in enumerate(self):
            after = new_data(self.path, record, function)
            if after is not None:
                changed.append((index, np.rint(after.clip(0, 1) * 255).astype(np.uint8)))
        with writing(target), atomic_path(target, overwrite=overwrite) as part:
            if not changed:
                part.write_bytes(self.path.read_bytes())
                return
            write_pyramid(part, self._changed(changed), self.level_mpp[0])

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write a slide of 512 x 512 pixels of 0.5 um, half of it stained, in two levels."""
        rng = np.random.default_rng(0)
        pixels = np.full((512, 512, 3), 240, np.uint8)
        pixels[:, :256] = (170, 90, 150)
        pixels -= rng.integers(0, 8, pixels.shape, dtype=np.uint8)
        write_pyramid(path, pixels, (0.5, 0.5))

    def _choose(self) -> Level:
        """Return the coarsest level that is at least as fine as requested in both directions."""
        tolerance = 1 + 0.5 / self.size
        fine = [
            level
            for level in self._file.levels
            if all(m <= w * tolerance for m, w in zip(level.mpp, self.mpp, strict=True))
        ]
        if not fine:
            has = self.level_mpp[0][0]
            rule = f"slide: its pixels have {has:g} um, and {self.mpp[0]:g} um are requested"
            raise ReadError(str(self.path), rule, "Raise `mpp`: tiles are never upsampled")
        return fine[-1]

    def _sides(self, mpp: tuple[float, float]) -> tuple[int, int]:
        x, y = (max(1, round(self.size * w / m)) for w, m in zip(self.mpp, mpp, strict=True))
        return x, y

    def _grid(self, saturation: float, tissue: float) -> np.ndarray:
        """Return the corners of the tiles with enough tissue, measured in a coarse level."""
        width, height = self._file.levels[0].size
        columns, rows = width // self._step[0], height // self._step[1]
        level = self._file.overview(self._step)
        corners = []
        for row in range(rows):
            y = row * self._step[1]
            shares = tissue_of_strip(
                self._file, level, y, self._step, columns, saturation, self.largest
            )
            corners += [(c * self._step[0], y) for c in range(columns) if shares[c] >= tissue]
        return np.array(corners, dtype=int).reshape(-1, 2)

    def _changed(self, tiles: list[tuple[int, np.ndarray]]) -> np.ndarray:
        finest = self._file.levels[0]
        if self._step != (self.size, self.size):
            rule = f"its finest pixels have {finest.mpp[0]:g} um, those of tiles {self.mpp[0]:g} um"
            raise WriteError(str(self.path), rule, "Open it with mpp=None to rewrite it")
        if int(np.prod(finest.size)) * 3 > self.largest:
            rule = "it does not fit into `largest` bytes"
            raise WriteError(str(self.path), rule, "Raise `largest`")
        pixels = self._file.region(finest, (0, 0), finest.size)
        for index, values in tiles:
            x, y = self.places[index]
            pixels[y : y + self.size, x : x + self.size] = values
        return pixels


def _resized(values: np.ndarray, size: int) -> np.ndarray:
    """Average (row, column, 3) uint8 down to size x size pixels."""
    from PIL import Image

    if values.shape[:2] == (size, size):
        return values
    shrunk = Image.fromarray(values).resize((size, size), Image.Resampling.BOX)
    return np.asarray(shrunk)
