"""The record of who looked at which pixels, and when; it lies beside the copies."""

from __future__ import annotations

import csv
import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from getpass import getuser
from pathlib import Path
from typing import Literal, final, get_args

from pydicom.dataset import Dataset

from scionwood_deid.pixels import Box as Box
from scionwood_sandbox import ReadError, atomic_path, reading, writing

NAME = "review.csv"
NOT_LOOKED = "pixels not looked at"
DETECTED = "pixels looked at by a text detector alone"
LOOKED = "pixels looked at"
FINDINGS = "the verifier found something"
REASONS = (NOT_LOOKED, DETECTED, LOOKED, FINDINGS)
"""What a copy states beside its method: why PatientIdentityRemoved is YES or NO."""

Decision = Literal["keep", "blank", "drop"]
How = Literal["page", "table", "declared"]
"""Where a decision was taken: on the page, in a table of decisions, or before the copies."""

_ABOVE = 5
"""Folders above a file in which its record may lie: instance, series, study, subject, copies."""
_DIGEST = re.compile(r"[0-9a-f]{64}")
_BOX = re.compile(r"(\d{1,5}) (\d{1,5}) (\d{1,5}) (\d{1,5})")
_DECODED = (
    "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation",
    "PlanarConfiguration", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "RedPaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData", "BluePaletteColorLookupTableData",
    "SegmentedRedPaletteColorLookupTableData", "SegmentedGreenPaletteColorLookupTableData",
    "SegmentedBluePaletteColorLookupTableData",
    "FloatPixelData", "DoubleFloatPixelData", "PixelDataProviderURL", "PixelData",
)  # fmt: skip
"""What decides which picture the stored bytes are."""


@final
@dataclass(frozen=True)
class Look:
    """A look at the pixels of one file.

    Attributes:
        file: the file, relative to the folder of the record.
        pixels: SHA-256 of the pixels of the file that was written; of a dropped one, of what was
            looked at.
        decision: `keep`, `blank` or `drop`.
        boxes: the regions that were blanked: x, y, width, height; joined by `;`.
        who: who looked.
        when: the time, UTC.
        how: on the `page`, in a `table` of decisions, or `declared` when the copy was made.
        detector: what a text detector saw, or why none ran.
    """

    file: str
    pixels: str
    decision: Decision
    boxes: str
    who: str
    when: str
    how: How
    detector: str


def pixels_digest(dataset: Dataset) -> str:
    """Return SHA-256 of the pixels of an image and of what decides how they look; empty without.

    Args:
        dataset: a file with its file meta information.
    """
    if not has_pixels(dataset):
        return ""
    # The same bytes are another picture with other rows, bits or colours.
    digest = hashlib.sha256(str(dataset.file_meta.get("TransferSyntaxUID", "")).encode())
    for name in _DECODED:
        value = dataset.get(name)
        content = value if isinstance(value, bytes) else str(value or "").encode()
        # The length keeps two fields from passing for others that join to the same bytes.
        digest.update(f"\0{name} {len(content)} ".encode())
        digest.update(content)
    return digest.hexdigest()


def has_pixels(dataset: Dataset) -> bool:
    """Return whether an object has an image."""
    return any(name in dataset for name in _DECODED[-4:])


def look_of(
    file: str, pixels: str, decision: Decision, boxes: Iterable[Box], who: str, how: How,
    detector: str,
) -> Look:  # fmt: skip
    """Return a look that is taken now; see `Look`."""
    when = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    box_text = "; ".join(" ".join(map(str, box)) for box in boxes)
    return Look(file, pixels, decision, box_text, who, when, how, detector)


def decision_of(value: str, text: object) -> Decision:
    """Return a decision by its name.

    Args:
        value: what an error names.
        text: `keep`, `blank` or `drop`.

    Raises:
        ReadError: it is another.
    """
    for decision in get_args(Decision):
        if text == decision:
            chosen: Decision = decision
            return chosen
    rule = f"{text!r} is none of {', '.join(get_args(Decision))}"
    raise ReadError(value, rule, "Correct the decision, or leave it empty")


def who_looks(name: str | None) -> str:
    """Return the name for the record: the given one, or that of the login.

    Args:
        name: any name of up to 64 characters, or `None`.

    Raises:
        ReadError: it is empty, too long, or holds what cannot be printed.
    """
    try:
        who = (getuser() if name is None else name).strip()
    except (OSError, KeyError):  # no login has a name, as in a container
        who = ""
    if not who or len(who) > 64 or not who.isprintable():
        rule = "the record needs a name of 1 to 64 characters that can be printed"
        raise ReadError(f"who {who!r}", rule, "Give --who NAME")
    return who


def parse_boxes(text: str) -> list[Box]:
    """Return the regions of a text such as `0 0 200 30; 10 400 90 12`.

    Args:
        text: x, y, width and height of each region; joined by `;`.

    Raises:
        ReadError: a part is no region.
    """
    parts = [_BOX.fullmatch(" ".join(part.split())) for part in text.split(";") if part.strip()]
    if not all(part and int(part[3]) and int(part[4]) for part in parts):
        rule = "a region is four whole numbers: x, y, width and height, above 0"
        raise ReadError(f"regions {text[:80]!r}", rule, "Write such as 0 0 200 30; 10 400 90 12")
    return [(int(p[1]), int(p[2]), int(p[3]), int(p[4])) for p in parts if p]


def is_record(path: Path) -> bool:
    """Return whether a file is there, and begins as a record of looks does."""
    if not path.is_file():
        return False
    with reading(path, "record of looks"), path.open("rb") as file:
        return file.read(len(_HEAD)) == _HEAD


def read_looks(path: Path) -> dict[str, Look]:
    """Read a record: file to its last look; none if there is no record.

    Args:
        path: the file.

    Raises:
        ReadError: it is damaged, or holds what no record has.
    """
    if not path.exists():
        return {}
    with reading(path, "record of looks"), path.open(newline="", encoding="utf-8") as file:
        rows = [*csv.DictReader(file, restkey="more")]
        if rows and tuple(rows[0]) != COLUMNS:
            raise ReadError(str(path), "its columns are not those of a record", "Move it away")
        looks = {row["file"]: _checked(path, row) for row in rows}
    return looks


COLUMNS = tuple(column.name for column in fields(Look))
_HEAD = ",".join(COLUMNS).encode()


def _checked(path: Path, row: dict[str, str]) -> Look:
    good = (
        None not in row.values()
        and _DIGEST.fullmatch(row["pixels"])
        and row["decision"] in get_args(Decision)
        and row["how"] in get_args(How)
        and not Path(row["file"]).is_absolute()
        and all(value.isprintable() and len(value) <= 4096 for value in row.values())
    )
    if not good:
        rule = f"the row of {row['file']!r} is no look"
        raise ReadError(str(path), rule, "Restore it, or move it away and look again")
    return Look(**row)  # type: ignore[arg-type]


def write_looks(path: Path, looks: Mapping[str, Look]) -> None:
    """Write a record in place of the former one.

    Args:
        path: the file.
        looks: file to its look.
    """
    with (
        writing(path),
        atomic_path(path, overwrite=True) as part,
        part.open("w", newline="", encoding="utf-8") as file,
    ):
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(asdict(looks[name]) for name in sorted(looks))
        file.flush()
        os.fsync(file.fileno())


def find_look(file: Path, pixels: str, records: dict[Path, dict[str, Look]]) -> Look | None:
    """Return the look at the pixels of a file as they are now, from the record above it.

    A table of that name with other columns is no record.

    Args:
        file: the file.
        pixels: SHA-256 of its pixels now.
        records: folder to its record; what is read is added.

    Raises:
        ReadError: the record is damaged.
    """
    file = file.absolute()
    for folder in [*file.parents][:_ABOVE]:
        if folder not in records:
            records[folder] = read_looks(folder / NAME) if is_record(folder / NAME) else {}
        look = records[folder].get(file.relative_to(folder).as_posix())
        if look is not None:
            return look if look.pixels == pixels and look.decision != "drop" else None
    return None
