"""Contact sheets of a review: which frames stand together, their pictures, and marked texts."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np

from scionwood_deid.look import Box, Decision, parse_boxes
from scionwood_deid.pictures import VIEWS, Pictures, pictures_of
from scionwood_deid.reviewing import Review
from scionwood_deid.text_detector import TextBox, chosen, obstacle, text_in
from scionwood_sandbox import ReadError, atomic_path, call_in_child, writing

TILES = 12
"""Frames of a sheet."""
LARGEST = 1600
"""Longest side of a picture in pixels; whole images up to this size are shown as they are."""
_CACHE_SIZE = 12
"""Files whose pictures stay in memory."""
_TILE, _SMALLEST_TILE = 480, 256
"""Longest sides of a picture on a written sheet with others: at most, and of tiny ones."""
_NAME, _HEAD, _GAP = 420, 34, 4
"""Pixels of a name and a hint on a written sheet, and between pictures."""

MISSES = (
    "A text detector marks what it takes for text, in up to four frames of an image. It misses "
    "names: look at each picture."
)


@final
class Tile(NamedTuple):
    """A frame on a sheet.

    Attributes:
        number: the image.
        frame: the frame, from 0.
    """

    number: int
    frame: int


@final
class Sheets:
    """The contact sheets of a review.

    Images of one frame stand together; an image of many frames has sheets of its own. What was sent
    to the page is noted, and an image is not kept before all of its frames were sent.

    Args:
        review: the looks.
    """

    def __init__(self, review: Review) -> None:
        self.review = review
        self.sheets = [*_laid_out(review)]
        self.obstacle = obstacle()
        self._pictures: dict[tuple[str, str, tuple[int, ...]], Pictures] = {}
        self._sent: set[tuple[str, str, int, str]] = set()
        self._texts: dict[tuple[str, str, int], list[Box]] = {}

    @property
    def detector(self) -> str:
        """What the page says about the text detector."""
        if self.obstacle:
            return f"No detector ran: {self.obstacle}. Look at each picture."
        return MISSES

    def picture(self, tile: Tile, view: str) -> bytes:
        """Return a frame as a PNG, and note that it was sent.

        Args:
            tile: the frame.
            view: one of `VIEWS`.

        Raises:
            ReadError: there is no such frame, or it cannot be decoded.
        """
        pictures, at = self._of(tile)
        if view not in VIEWS:
            raise ReadError(f"view {view!r}", f"it is one of {', '.join(VIEWS)}", "Correct it")
        out = io.BytesIO()
        _image(getattr(pictures, view)[at]).save(out, "PNG")
        self._sent.add((*self._key(tile), tile.frame, view))
        return out.getvalue()

    def texts(self, tile: Tile) -> tuple[list[Box], tuple[int, int]]:
        """Return where the detector saw text in a frame, in pixels of the file, and its size.

        Args:
            tile: the frame.

        Raises:
            ReadError: there is no such frame, or it cannot be decoded.
        """
        shape = self._of(tile)[0].shape
        return self._texts.get((*self._key(tile), tile.frame), []), shape[1:]

    def unmarked(self, tile: Tile) -> np.ndarray | None:
        """Return a picture, (row, column, 3) uint8, that the detector has still to look at.

        Args:
            tile: the frame.

        Raises:
            ReadError: there is no such frame, or it cannot be decoded.
        """
        pictures, at = self._of(tile)
        has_texts = (*self._key(tile), tile.frame) in self._texts
        is_chosen = not self.obstacle and tile.frame in chosen(pictures.shape[0])
        return pictures.window[at] if is_chosen and not has_texts else None

    def mark(self, tile: Tile, texts: Sequence[TextBox]) -> None:
        """Note where the detector saw text in a frame.

        Args:
            tile: the frame.
            texts: the texts of its picture.
        """
        scale = self._of(tile)[0].scale
        boxes = [_scaled(text.box, scale) for text in texts]
        self._texts[(*self._key(tile), tile.frame)] = boxes

    def decide(self, name: str, decision: Decision, boxes: Sequence[Box]) -> str:
        """Carry out a decision that was taken on the page; see `Review.decide`.

        Of an image that has blanked regions the page shows the new copy. So `keep` keeps that, and
        `blank` adds regions.

        Raises:
            ReadError: a frame was not sent to the page yet, and the image is not dropped.
        """
        number = self.review.places.get(name)
        if number is not None and decision != "drop":
            image = self.review.images[number]
            key = (image.name, str(self.review.shown(name)))
            required_views = {(*key, at, view) for at in range(image.frames) for view in VIEWS}
            if missing := len({at for _, _, at, _ in required_views - self._sent}):
                rule = f"{missing} of {image.frames} frames were not shown"
                raise ReadError(name, rule, "Look at all sheets of it first")
        if self.review.decision(name) == "blank":
            if decision == "keep":
                return ""
            boxes = [*parse_boxes(self.review.looks[name].boxes), *boxes] if boxes else []
        return self.review.decide(name, decision, boxes, self.detector_note(name))

    def detector_note(self, name: str) -> str:
        """Return what the detector saw of an image, for the record."""
        if self.obstacle:
            return f"none ran: {self.obstacle}"
        looked = {frame: boxes for (n, _, frame), boxes in self._texts.items() if n == name}
        texts = sum(map(len, looked.values()))
        return f"{texts} texts in {len(looked)} frames" if looked else "none ran: not waited for"

    def marked(self, name: str) -> str:
        """Return the regions that the detector marks in an image, in the form of a table."""
        boxes = {
            box
            for (n, _, _), frame_boxes in self._texts.items()
            if n == name
            for box in frame_boxes
        }
        return "; ".join(" ".join(map(str, box)) for box in sorted(boxes))

    def write(self, folder: Path) -> Iterator[Path]:
        """Write each sheet as a PNG, with the regions of texts marked.

        Args:
            folder: the folder.

        Raises:
            WriteError: a file cannot be written.
        """
        for at, tiles in enumerate(self.sheets, 1):
            path = folder / f"{at:04d}.png"
            with writing(path), atomic_path(path, overwrite=False) as part:
                self._draw_sheet(tiles).save(part, "PNG")
            yield path

    def _of(self, tile: Tile) -> tuple[Pictures, int]:
        if not 0 <= tile.number < len(self.review.images):
            raise ReadError(f"image {tile.number}", "there is no such image", "Start again")
        image = self.review.images[tile.number]
        if not 0 <= tile.frame < image.frames:
            rule = f"it has {image.frames} frames that can be shown"
            raise ReadError(f"{image.name}, frame {tile.frame}", rule, "Start again")
        first = tile.frame // TILES * TILES
        numbers = tuple(range(first, min(first + TILES, image.frames)))
        name, place = self._key(tile)
        key = (name, place, numbers)
        if key not in self._pictures:
            while len(self._pictures) >= _CACHE_SIZE:
                del self._pictures[next(iter(self._pictures))]
            side = LARGEST if image.frames == 1 else LARGEST // 2
            self._pictures[key] = call_in_child(pictures_of, Path(place), numbers, side)
        return self._pictures[key], numbers.index(tile.frame)

    def _key(self, tile: Tile) -> tuple[str, str]:
        name = self.review.images[tile.number].name
        return name, str(self.review.shown(name))

    def _draw_sheet(self, tiles: Sequence[Tile]) -> Any:
        """Return a sheet: the views of each frame side by side, under its name and hint."""
        from PIL import Image

        cells = [self._cell(tile, LARGEST if len(tiles) == 1 else _TILE) for tile in tiles]
        across = min(3, len(cells))
        width = max(cell.width for cell in cells)
        height = max(cell.height for cell in cells)
        size = (across * width, -(-len(cells) // across) * height)
        sheet = Image.new("RGB", size, "white")
        for at, cell in enumerate(cells):
            sheet.paste(cell, (at % across * width, at // across * height))
        return sheet

    def _cell(self, tile: Tile, side: int) -> Any:
        from PIL import Image, ImageDraw

        image = self.review.images[tile.number]
        parts = []
        if image.frames:
            pictures, at = self._of(tile)
            picture = self.unmarked(tile)
            if picture is not None:
                self.mark(tile, text_in(picture))
            boxes, (rows, columns) = self.texts(tile)
            for view in VIEWS:
                part = _image(getattr(pictures, view)[at])
                ratio = min(side / max(part.size), max(1.0, _SMALLEST_TILE / max(part.size)))
                part = part.resize([max(1, round(ratio * length)) for length in part.size])
                draw = ImageDraw.Draw(part)
                x, y = part.width / columns, part.height / rows
                for box in boxes:
                    ends = (box[0] * x, box[1] * y, (box[0] + box[2]) * x, (box[1] + box[3]) * y)
                    draw.rectangle(ends, outline="red")
                parts.append(part)
        width = max(_NAME, sum(part.width + _GAP for part in parts))
        height = max((part.height for part in parts), default=0)
        cell = Image.new("RGB", (width + _GAP, height + _HEAD), "white")
        draw, left = ImageDraw.Draw(cell), _GAP
        draw.text((_GAP, 2), f"{image.name}, frame {tile.frame}", fill="black")
        draw.text((_GAP, 17), image.hint, fill="black")
        for part in parts:
            cell.paste(part, (left, _HEAD - _GAP))
            left += part.width + _GAP
        return cell


def _laid_out(review: Review) -> Iterator[list[Tile]]:
    """Yield the tiles of each sheet."""
    singles = [Tile(at, 0) for at, image in enumerate(review.images) if image.frames < 2]
    for first in range(0, len(singles), TILES):
        yield singles[first : first + TILES]
    for number, image in enumerate(review.images):
        for first in range(0, image.frames if image.frames > 1 else 0, TILES):
            last = min(first + TILES, image.frames)
            yield [Tile(number, frame) for frame in range(first, last)]


def _image(picture: np.ndarray) -> Any:
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(picture))


def _scaled(box: Box, scale: float) -> Box:
    x, y, width, height = (round(side * scale) for side in box)
    return (x, y, width, height)
