"""Whole-slide images: square tiles of tissue at a wanted size of a pixel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar, final

import numpy as np

from scionwood import Reader, ReadError, Record, WriteError, atomic_path
from scionwood_biomed.readers.bounds import LARGEST, reading
from scionwood_biomed.readers.slide_file import KIND, Level, SlideFile, write_pyramid
from scionwood_biomed.readers.tissue import tissue_of_strip


@final
class SlideReader(Reader):
    """Read a slide's tiles with tissue, row by row, at a scale that is asked for in micrometres.

    The grid of tiles begins at the upper left corner, without overlap; tiles that would reach
    beyond the slide are left out. A tile is read from the coarsest level that is fine enough, and
    averaged down to `size`: its scale is within 0.5 / `size` of `mpp`. Nothing is ever scaled up.
    A tile has tissue where the saturation (HSV) of enough of its pixels is above a threshold:
    glass is grey, stains are coloured. Labels and overview photographs, which may show a name, are
    not read.

    Args:
        path: the file, a TIFF of Aperio, Hamamatsu, Leica, Philips, Ventana, or a generic one.
        mpp: micrometres a pixel of a tile; null for those of the finest level.
        size: pixels a side of a tile.
        saturation: above which a pixel is tissue, 0 to 1.
        tissue: the least share of tissue of a tile, 0 to 1; 0 for all tiles.
        scanned_mpp: of the finest level, where the file does not say it, or says it wrongly.
        largest: the most bytes that the pixels behind one tile may take.

    Attributes:
        places: (tile, 2), x and y of the upper left corners in pixels of the finest level.
        level_mpp: micrometres a pixel of each level, x and y.

    Shapes: (row, column, channel) float32, size x size x 3.

    Units: 0 black to 1 white; rows and columns in um from the slide's upper left corner.

    Raises:
        ReadError: no such slide, damaged, coarser than `mpp`, of other pixels than RGB of 8 bits,
            without a size of a pixel, too large, or the extra `slides` is not installed.

    Source: tiffslide, https://github.com/Bayer-Group/tiffslide; the tissue mask by saturation is
        that of Lu et al. 2021, arXiv:2004.09666 (CLAM), with a fixed threshold.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".svs", ".ndpi", ".scn", ".bif", ".tif", ".tiff")
    dims = ("row", "column", "channel")
    units: Mapping[str, str] = {"row": "um", "column": "um", "channel": "1", "data": "1"}

    def __init__(
        self,
        path: Path,
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
            # Sides of a tile in pixels of the level and of the finest level, x and y.
            self._read = self._sides(self._level.mpp)
            self._step = self._sides(finest)
            needed = int(np.prod(self._read)) * 3
            if needed > largest:
                rule = f"slide: a tile at {self.mpp[0]:g} um needs {needed:,} bytes"
                raise ReadError(str(path), rule, "Ask for finer tiles, or raise `largest`")
            self.places = self._grid(saturation, tissue)
        if not len(self.places):
            rule = f"slide: no tile of {size} x {size} at {self.mpp[0]:g} um has tissue"
            raise ReadError(str(path), rule, "Lower `tissue` or `saturation`, or take finer tiles")

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[Record]:
        for index in range(len(self)):
            yield self.read(index)

    def read(self, index: int) -> Record:
        """The tile of that index, from 0.

        Raises:
            ReadError: its pixels are damaged.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"tile {index}: {self.path.name} has {len(self)}. Choose one of them")
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
        self, target: Path, function: Callable[[Record], np.ndarray], *, overwrite: bool = False
    ) -> None:
        """Write a slide with other tiles, rounded to bytes: a pyramid of the changed finest level.

        That takes tiles at the finest level's own scale; ask for `mpp=None`, or the same number.
        Pixels outside of the tiles stay; the maker's notes, the label and the overview do not.

        Raises:
            OutputExistsError: `target` exists and `overwrite` is false.
            WriteError: the shape changed, the tiles are of another scale, the slide does not fit
                into `largest` bytes, or the disk is full.
        """
        changed: list[tuple[int, np.ndarray]] = []
        for index, record in enumerate(self):
            after = np.asarray(function(Record(record.key, record.data.copy(), record.coords)))
            if after.shape != record.data.shape:
                rule = f"the data came back as {after.shape}, it was {record.data.shape}"
                raise WriteError(str(self.path), rule, "A function must keep the shape")
            if (after != record.data).any():
                changed.append((index, np.rint(after.clip(0, 1) * 255).astype(np.uint8)))
        with atomic_path(Path(target), overwrite=overwrite) as part:
            if not changed:
                part.write_bytes(self.path.read_bytes())
                return
            write_pyramid(part, self._changed(changed), self.level_mpp[0])

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write 512 x 512 pixels of 0.5 um, half of them stained, in two levels."""
        rng = np.random.default_rng(0)
        pixels = np.full((512, 512, 3), 240, np.uint8)
        pixels[:, :256] = (170, 90, 150)
        pixels -= rng.integers(0, 8, pixels.shape, dtype=np.uint8)
        write_pyramid(path, pixels, (0.5, 0.5))

    def _choose(self) -> Level:
        """The coarsest level that is at least as fine as wanted, in both directions."""
        tolerance = 1 + 0.5 / self.size
        fine = [
            level
            for level in self._file.levels
            if all(m <= w * tolerance for m, w in zip(level.mpp, self.mpp, strict=True))
        ]
        if not fine:
            has = self.level_mpp[0][0]
            rule = f"slide: it has {has:g} um a pixel, and {self.mpp[0]:g} are wanted"
            raise ReadError(str(self.path), rule, "Ask for a coarser `mpp`: nothing is scaled up")
        return fine[-1]

    def _sides(self, mpp: tuple[float, float]) -> tuple[int, int]:
        x, y = (max(1, round(self.size * w / m)) for w, m in zip(self.mpp, mpp, strict=True))
        return x, y

    def _grid(self, saturation: float, tissue: float) -> np.ndarray:
        """Corners of the tiles with enough tissue, looked at in a coarse level."""
        width, height = self._file.levels[0].size
        columns, rows = width // self._step[0], height // self._step[1]
        level = self._file.overview(self._step)
        found = []
        for row in range(rows):
            y = row * self._step[1]
            shares = tissue_of_strip(
                self._file, level, y, self._step, columns, saturation, self.largest
            )
            found += [(c * self._step[0], y) for c in range(columns) if shares[c] >= tissue]
        return np.array(found, dtype=int).reshape(-1, 2)

    def _changed(self, tiles: list[tuple[int, np.ndarray]]) -> np.ndarray:
        finest = self._file.levels[0]
        if self._step != (self.size, self.size):
            rule = f"its finest level has {finest.mpp[0]:g} um a pixel, the tiles {self.mpp[0]:g}"
            raise WriteError(str(self.path), rule, "Open it with mpp=None to write it")
        if int(np.prod(finest.size)) * 3 > self.largest:
            raise WriteError(str(self.path), "it does not fit into `largest`", "Raise it")
        pixels = self._file.region(finest, (0, 0), finest.size)
        for index, values in tiles:
            x, y = self.places[index]
            pixels[y : y + self.size, x : x + self.size] = values
        return pixels


def _resized(values: np.ndarray, size: int) -> np.ndarray:
    """(row, column, 3) uint8 averaged down to size x size."""
    from PIL import Image

    if values.shape[:2] == (size, size):
        return values
    shrunk = Image.fromarray(values).resize((size, size), Image.Resampling.BOX)
    return np.asarray(shrunk)
