"""Bytes that no viewer shows: behind pixels and waveforms, in their coding, in colour profiles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, final

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.pixels.utils import get_expected_length
from pydicom.uid import RLELossless

from scionwood_deid.codestreams import frame_spans
from scionwood_deid.colour_profiles import profile_spans
from scionwood_deid.fragments import Span, fragments_of, shortened

_FLOATS = {"FloatPixelData": 4, "DoubleFloatPixelData": 8}


@final
class Unseen(NamedTuple):
    """An element with bytes that no viewer shows.

    Attributes:
        place: where the element is, such as `PixelData`.
        element: the element.
        spans: its bytes that are no part of the image.
        used: bytes of the image, if what is behind them can be cut off; else `None`.
    """

    place: str
    element: DataElement
    spans: list[Span]
    used: int | None = None


def unseen(dataset: Dataset, place: str = "") -> Iterator[Unseen]:
    """Yield the elements of a data set, and of its items, that hold more than their image.

    Args:
        dataset: a file with its file meta information, or an item.
        place: what stands before the names of its elements.
    """
    for element in dataset:
        name, keyword = f"{place}{element.keyword}", element.keyword
        if element.VR == "SQ":
            for index, item in enumerate(element.value):
                yield from unseen(item, f"{name}[{index}].")
        elif isinstance(element.value, bytes):
            coded = keyword == "PixelData" and not place and _is_coded(dataset)
            used = None if coded else _used(dataset, keyword)
            if coded:
                spans = _of_frames(dataset, element.value)
            elif keyword == "ICCProfile":
                spans = profile_spans(element.value)
            elif used is not None and any(element.value[used:]):
                spans = [Span("bytes behind the last value", used, len(element.value))]
            else:
                spans = []
            if spans:
                yield Unseen(name, element, spans, used)


def clear_unseen(dataset: Dataset) -> None:
    """Cut off what stands behind images, and set to zero what stands inside of their coding.

    Frames and their offsets keep their places, so that the image itself is not changed.

    Args:
        dataset: a file with its file meta information; it is changed.
    """
    for unseen_part in [*unseen(dataset)]:
        value = bytearray(unseen_part.element.value)
        if unseen_part.used is not None:
            del value[unseen_part.used :]
            # DICOM values have an even length (PS3.5, 7.1.1).
            value += bytes(len(value) % 2)
        else:
            for _, start, stop in unseen_part.spans:
                value[start:stop] = bytes(stop - start)
        unseen_part.element.value = bytes(value)
        if unseen_part.place == "PixelData" and unseen_part.used is None:
            count = int(dataset.get("NumberOfFrames") or 1)
            unseen_part.element.value = shortened(unseen_part.element.value, count)


def lines_of(dataset: Dataset) -> list[str]:
    """Return one line for each kind of such bytes, without their value.

    Args:
        dataset: a file with its file meta information.
    """
    lines = (
        f"{unseen_part.place}: {span.what}"
        for unseen_part in unseen(dataset)
        for span in unseen_part.spans
    )
    return [*dict.fromkeys(lines)]


def _is_coded(dataset: Dataset) -> bool:
    syntax = getattr(dataset, "file_meta", Dataset()).get("TransferSyntaxUID")
    return syntax is not None and bool(syntax.is_encapsulated)


def _of_frames(dataset: Dataset, data: bytes) -> list[Span]:
    count = int(dataset.get("NumberOfFrames") or 1)
    frames, spans, _ = fragments_of(data, count)
    rle = None
    if dataset.file_meta.TransferSyntaxUID == RLELossless:
        depth = int(dataset.BitsAllocated) // 8 or 1
        segments = int(dataset.SamplesPerPixel) * depth
        rle = segments, int(dataset.Rows) * int(dataset.Columns)
    for pieces in frames:
        frame = b"".join(data[start:stop] for start, stop in pieces)
        for what, start, stop in frame_spans(frame, rle=rle):
            spans += _placed(what, start, stop, pieces)
    return spans


def _placed(what: str, start: int, stop: int, pieces: list[tuple[int, int]]) -> list[Span]:
    """Return where bytes of a frame lie in its pieces."""
    # What cannot be cleared has no place; see `Span`.
    if start == stop:
        return [Span(what, 0, 0)]
    placed, before = [], 0
    for first, end in pieces:
        low, high = max(start - before, 0), min(stop - before, end - first)
        if low < high:
            placed.append(Span(what, first + low, first + high))
        before += end - first
    return placed


def _used(dataset: Dataset, keyword: str) -> int | None:
    """Return how many bytes of an element its image or curve has; `None` if nothing tells it."""
    if keyword == "PixelData" and {"Rows", "Columns", "BitsAllocated"} <= {*dataset.dir()}:
        size = int(get_expected_length(dataset))
        return size + size % 2
    if keyword in _FLOATS:
        frames = int(dataset.get("NumberOfFrames") or 1)
        return int(dataset.Rows) * int(dataset.Columns) * frames * _FLOATS[keyword]
    if keyword == "WaveformData":
        names = ("NumberOfWaveformSamples", "NumberOfWaveformChannels", "WaveformBitsAllocated")
        samples, channels, bits = (int(dataset.get(name) or 0) for name in names)
        return samples * channels * bits // 8
    if keyword == "LUTData" or keyword.endswith("PaletteColorLookupTableData"):
        table = "LUT" if keyword == "LUTData" else keyword.removesuffix("Data")
        entries = dataset.get(f"{table}Descriptor")
        has_length = isinstance(entries, MultiValue | list) and not keyword.startswith("Segmented")
        # The number of entries is stored in 16 bits, and 0 stands for 65536 (PS3.3, C.7.6.3.1.5).
        return 2 * (int(entries[0]) or 65536) if has_length else None
    return None
