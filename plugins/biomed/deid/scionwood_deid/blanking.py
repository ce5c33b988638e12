"""Blank what a text detector sees in the pixels of an image, and let it look again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import final

from scionwood_deid.dicom_copy import Copied, copy_file
from scionwood_deid.order import Order
from scionwood_deid.pictures import frames_in, windows_of
from scionwood_deid.pixels import Box
from scionwood_deid.seeds import seeds_of
from scionwood_deid.text_detector import chosen, text_in
from scionwood_sandbox import ReadError, call_in_child

ROUNDS = 3
"""How often a copy is looked at: what was blanked can uncover what stood beside it."""


@final
@dataclass(frozen=True)
class TextRegions:
    """What a text detector saw in the pixels of a file.

    Attributes:
        boxes: the regions of texts in all frames: x, y, width and height in pixels of the file.
        in_header: how many texts resemble a value of the header.
        looked: how many frames it looked at.
        frames: how many frames the file has.
    """

    boxes: tuple[Box, ...]
    in_header: int
    looked: int
    frames: int


def seen_in(path: Path, seeds: Sequence[str] = ()) -> TextRegions:
    """Return where a text detector sees text in a file.

    It looks at four frames and, if there are more, at the brightest value of each pixel over all
    frames, where white text of any frame is seen.

    Args:
        path: a DICOM file.
        seeds: values of the header; see `seeds.seeds_of`.

    Raises:
        ReadError: the detector is not installed, or the pixels cannot be decoded.
    """
    count = call_in_child(frames_in, path)
    numbers = chosen(count)
    pictures = call_in_child(windows_of, path, numbers)
    texts = [text for picture in pictures for text in text_in(picture, seeds)]
    boxes = tuple(sorted({text.box for text in texts}))
    return TextRegions(boxes, sum(text.in_header for text in texts), len(numbers), count)


def blanked_copy(path: Path, order: Order, name: str) -> tuple[Copied, str]:
    """Return a verified copy without the texts that a detector sees, and how it was looked at.

    The detector looks at the source with the values of its header, and then at each copy, until it
    sees nothing or has looked `ROUNDS` times. An image that cannot be decoded is copied as it is.

    Args:
        path: a DICOM file.
        order: how.
        name: name of the copy's file, which is searched for values of the source.

    Returns:
        The copy, and a line for its findings; empty for an object without an image.

    Raises:
        ReadError: the file is damaged, or of a kind that is not copied.
    """
    plain = call_in_child(copy_file, path, order, name)
    if not plain.after.pixels:
        return plain, ""
    with TemporaryDirectory() as folder:
        place = Path(folder, "copy.dcm")
        try:
            seeds = call_in_child(seeds_of, path)
            regions = first = seen_in(path, seeds)
            boxes = first.boxes
            copied = call_in_child(copy_file, path, order, name, boxes, True)
            for _ in range(ROUNDS if boxes else 0):
                place.write_bytes(copied.data.tobytes())
                regions = seen_in(place, seeds)
                if {*regions.boxes} <= {*boxes}:
                    break
                boxes = tuple(sorted({*boxes, *regions.boxes}))
                copied = call_in_child(copy_file, path, order, name, boxes, True)
        except ReadError as error:
            return plain, f"no text detector looked: {error.rule.splitlines()[0][:160]}"
    return copied, _line(first, regions, boxes)


def _line(first: TextRegions, last: TextRegions, boxes: Sequence[Box]) -> str:
    where = f"{last.looked} of {last.frames} frames"
    if not boxes:
        return f"a text detector sees none in {where}: no proof"
    likeness = f", {first.in_header} like the header" if first.in_header else ""
    left = f"it still sees {len(last.boxes)}" if last.boxes else "it sees none now: no proof"
    return f"a text detector had {len(boxes)} regions blanked{likeness}; in {where} {left}"
