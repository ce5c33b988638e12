"""Pixels that may hold text: blank regions by rules, and clear the bits outside of the samples."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from pydicom.dataset import Dataset

from scionwood_sandbox import ReadError, reading

Box = tuple[int, int, int, int]
"""A region of an image: x, y, width and height in pixels."""

_TERM = re.compile(
    r'(!?)(\w+)\.(equals|equalsIgnoreCase|contains|containsIgnoreCase|startsWith)\("([^"]*)"\)'
)
_REGION = re.compile(r"\(\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*\)")


@final
@dataclass(frozen=True)
class PixelRule:
    """Regions to blank in the images of one kind.

    Attributes:
        terms: all must hold: whether it is negated, the keyword, the comparison and the text.
        regions: x, y, width and height in pixels.
    """

    terms: tuple[tuple[bool, str, str, str], ...]
    regions: tuple[tuple[int, int, int, int], ...]

    def fits(self, dataset: Dataset) -> bool:
        """Return whether the rule is for this image."""
        return all(_holds(dataset, *term) for term in self.terms)


@final
@dataclass(frozen=True)
class PixelPolicy:
    """What is done about text in pixels.

    Attributes:
        viewed: the user looked at the images and says that they hold no text of a person; a record
            `review.csv` beside the copy names the user and the time.
        ultrasound: blank what lies outside of the regions that an ultrasound file states.
        rules: blank regions by rules.
        detect_text: let a text detector look at the copy (extra `pixels`), unless `viewed` is set.
        blank_text: blank what a text detector sees, and let it look again (extra `pixels`).

    Example:
        >>> PixelPolicy(viewed=True).rules
        ()
    """

    viewed: bool = False
    ultrasound: bool = False
    rules: tuple[PixelRule, ...] = ()
    detect_text: bool = False
    blank_text: bool = False


def read_rules(path: Path) -> tuple[PixelRule, ...]:
    """Read a file of rules in the form of the CTP's pixel anonymiser.

    A rule is a condition in braces and then its regions. A condition is a product of comparisons.

        { Modality.equals("US") * Manufacturer.containsIgnoreCase("philips") }
        (0, 0, 640, 50)

    Args:
        path: a text file; lines that begin with `//` or `#` are comments.

    Raises:
        ReadError: it has no rule, or a part of it is no rule.
    """
    with reading(path, "pixel rules"):
        text = path.read_text("utf-8")
    text = re.sub(r"^\s*(//|#).*$", "", text, flags=re.M)
    rules = tuple(_rules(path, text))
    if not rules:
        raise ReadError(str(path), "it holds no rule", 'Begin with { Modality.equals("US") }')
    return rules


def _rules(path: Path, text: str) -> Iterator[PixelRule]:
    remainder = text
    while remainder.strip():
        match = re.match(r"\s*\{([^}]*)\}((?:\s*\([\d\s,]*\))+)\s*", remainder)
        if match is None:
            start = " ".join(remainder.split())[:40]
            rule = "a rule is a condition in braces, and regions (x, y, width, height)"
            raise ReadError(f"{path}, at {start!r}", rule, "Correct it there")
        terms = []
        for part in match[1].split("*"):
            term = _TERM.fullmatch(part.strip())
            if term is None:
                rule = f'{part.strip()!r} is no comparison such as Modality.equals("US")'
                raise ReadError(str(path), rule, "Join comparisons with *; + is not known here")
            terms.append((bool(term[1]), term[2], term[3], term[4]))
        regions = [tuple(map(int, region)) for region in _REGION.findall(match[2])]
        yield PixelRule(tuple(terms), tuple((x, y, w, h) for x, y, w, h in regions))
        remainder = remainder[match.end() :]


def _holds(dataset: Dataset, negated: bool, keyword: str, comparison: str, text: str) -> bool:
    value = str(dataset.get(keyword, ""))
    if comparison.endswith("IgnoreCase"):
        value, text = value.casefold(), text.casefold()
    # equals, equalsIgnoreCase; the case was folded above.
    if comparison.startswith("equals"):
        return (value == text) != negated
    return (
        text in value if comparison.startswith("contains") else value.startswith(text)
    ) != negated


def regions_of(dataset: Dataset, policy: PixelPolicy) -> list[np.ndarray]:
    """Return what to blank in an image, each (row, column) bool; none if no rule is for it.

    Args:
        dataset: the source.
        policy: the rules.
    """
    if "PixelData" not in dataset:
        return []
    shape = int(dataset.Rows), int(dataset.Columns)
    masks = []
    for rule in (rule for rule in policy.rules if rule.fits(dataset)):
        mask = np.zeros(shape, bool)
        for x, y, width, height in rule.regions:
            mask[y : y + height, x : x + width] = True
        masks.append(mask)
    file_regions = dataset.get("SequenceOfUltrasoundRegions") or []
    if policy.ultrasound and file_regions:
        mask = np.ones(shape, bool)
        for item in file_regions:
            # Both corners belong to the region, a slice leaves its end out.
            rows = slice(int(item.RegionLocationMinY0), int(item.RegionLocationMaxY1) + 1)
            mask[rows, int(item.RegionLocationMinX0) : int(item.RegionLocationMaxX1) + 1] = False
        masks.append(mask)
    return masks


def mask_of(path: Path, dataset: Dataset, boxes: Collection[Box]) -> np.ndarray:
    """Return the regions of boxes in an image, (row, column) bool.

    Args:
        path: the file, for the message.
        dataset: the image.
        boxes: x, y, width and height in pixels.

    Raises:
        ReadError: a box lies outside of the image.
    """
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    mask = np.zeros((rows, columns), bool)
    for x, y, width, height in boxes:
        if x >= columns or y >= rows:
            rule = f"the region {x} {y} {width} {height} lies outside of {columns} x {rows} pixels"
            raise ReadError(str(path), rule, "Correct it")
        mask[y : y + height, x : x + width] = True
    return mask


def blank(dataset: Dataset, masks: list[np.ndarray]) -> None:
    """Set the pixels of regions to 0 in all frames; compressed pixels are decompressed.

    Args:
        dataset: an image with its file meta information; it is changed.
        masks: the regions, each (row, column) bool.

    Raises:
        ReadError: the pixels are packed so that a region cannot be addressed.
    """
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        dataset.decompress(generate_instance_uid=False)
    colour, bits = str(dataset.PhotometricInterpretation), int(dataset.BitsAllocated)
    if colour.endswith(("_422", "_420")):  # two pixels share a colour
        dataset.PixelData, dataset.PhotometricInterpretation = dataset.pixel_array.tobytes(), "RGB"
        dataset.PlanarConfiguration = 0
    if bits not in (8, 16, 32):
        rule = f"pixels of {bits} bits in {colour} have no region of their own"
        raise ReadError("a rule for pixels", rule, "Convert the image to RGB first")
    frames, samples = int(dataset.get("NumberOfFrames") or 1), int(dataset.SamplesPerPixel)
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    planar = samples > 1 and int(dataset.get("PlanarConfiguration", 0) or 0) == 1
    shape = (frames, samples, rows, columns) if planar else (frames, rows, columns, samples)
    raw = np.frombuffer(bytearray(dataset.PixelData), f"u{bits // 8}")
    values = raw[: int(np.prod(shape))].reshape(shape)
    for mask in masks:
        values[(..., mask) if planar else (slice(None), mask)] = 0
    dataset.PixelData = raw.tobytes()


def clear_spare_bits(dataset: Dataset) -> None:
    """Clear the bits outside of the stored samples, where overlays were once kept.

    Args:
        dataset: an image with its file meta information; uncompressed pixels are changed.
    """
    spare = _spare(dataset)
    if spare is None:
        return
    values, low, high = spare
    samples = values & np.asarray(((1 << (high + 1)) - 1) & ~((1 << low) - 1), values.dtype)
    # Signed samples are sign-extended into the bits above, so that readers that take the whole word
    # still see the negative value.
    if dataset.get("PixelRepresentation", 0):
        above = np.asarray(~((1 << (high + 1)) - 1) & (1 << 8 * values.itemsize) - 1, values.dtype)
        samples = np.where(values >> high & 1, samples | above, samples)
    dataset.PixelData = samples.astype(values.dtype).tobytes()


def has_spare_bits(dataset: Dataset) -> bool:
    """Return whether bits outside of the stored samples hold anything.

    Args:
        dataset: an image with its file meta information.
    """
    spare = _spare(dataset)
    if spare is None:
        return False
    values, low, high = spare
    size = 8 * values.itemsize
    below = values & np.asarray((1 << low) - 1, values.dtype)
    above = values >> (high + 1)
    if not dataset.get("PixelRepresentation", 0):
        return bool(below.any() or above.any())
    # Bits above that only repeat the sign carry nothing.
    sign = np.where(values >> high & 1, (1 << (size - high - 1)) - 1, 0)
    return bool(below.any() or ((above != 0) & (above != sign)).any())


def _spare(dataset: Dataset) -> tuple[np.ndarray, int, int] | None:
    """Return the samples, and the lowest and the highest bit of a sample, if bits are spare."""
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if "PixelData" not in dataset or syntax is None or syntax.is_encapsulated:
        return None
    allocated, stored = int(dataset.BitsAllocated), int(dataset.BitsStored)
    high = int(dataset.get("HighBit", stored - 1))
    if allocated not in (8, 16, 32) or stored >= allocated or not stored - 1 <= high < allocated:
        return None
    order = "<" if syntax.is_little_endian else ">"
    byte_count = len(dataset.PixelData) // (allocated // 8) * (allocated // 8)
    values = np.frombuffer(dataset.PixelData[:byte_count], f"{order}u{allocated // 8}")
    return values, high - stored + 1, high
