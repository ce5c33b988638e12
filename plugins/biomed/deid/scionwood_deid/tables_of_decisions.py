"""Contact sheets as pictures, and a table of decisions: a review without a browser."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, final

from scionwood_deid.look import Box, Decision, decision_of, parse_boxes
from scionwood_deid.reviewing import Review
from scionwood_deid.sheets import Sheets
from scionwood_sandbox import ReadError, atomic_path, check_target, reading, writing

NAME = "decisions.csv"
COLUMNS = ("file", "pixels", "sheet", "frames", "hint", "texts", "decision", "regions")


@final
class Row(NamedTuple):
    """A decision of a table.

    Attributes:
        file: the image.
        decision: what is done.
        boxes: the regions to blank.
    """

    file: str
    decision: Decision
    boxes: list[Box]


def write_sheets(sheets: Sheets, folder: Path) -> Path:
    """Write the contact sheets, and a table whose column `decision` is empty.

    Args:
        sheets: the contact sheets.
        folder: a new folder.

    Returns:
        The table. Its column `texts` has the regions that a text detector marks.

    Raises:
        OutputExistsError: the folder exists.
        WriteError: a file cannot be written.
    """
    check_target(folder, overwrite=False)
    review = sheets.review
    places: dict[int, str] = {}
    for path, tiles in zip(sheets.write(folder), sheets.sheets, strict=True):
        for tile in tiles:
            places.setdefault(tile.number, path.name)
    table = folder / NAME
    with (
        writing(table),
        atomic_path(table) as part,
        part.open("w", newline="", encoding="utf-8") as file,
    ):
        rows = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        rows.writeheader()
        for number, image in enumerate(review.images):
            rows.writerow({
                "file": image.name, "pixels": image.pixels, "sheet": places[number],
                "frames": image.frames, "hint": image.hint,
                "texts": sheets.detector_note(image.name), "regions": sheets.marked(image.name),
            })  # fmt: skip
    return table


def read_decisions(path: Path, review: Review) -> list[Row]:
    """Read a table of decisions; rows without a decision are left out.

    Args:
        path: the table, with the columns file and decision, and pixels and regions if you like.
        review: the images.

    Raises:
        ReadError: a column is missing, a row names no image or no decision, or the pixels of an
            image have changed since the table was written.
    """
    with reading(path, "table of decisions"), path.open(newline="", encoding="utf-8-sig") as file:
        table = csv.DictReader(file)
        rows = [{key: (row[key] or "").strip() for key in row if key} for row in table]
    if missing := {"file", "decision"} - {*(table.fieldnames or ())}:
        rule = f"it has no column {', '.join(sorted(missing))}"
        raise ReadError(str(path), rule, f"The columns are {', '.join(COLUMNS)}")
    decisions = []
    for number, row in enumerate(rows, 2):
        value, name = f"{path}, line {number}", row["file"]
        if not row["decision"]:
            continue
        decision = decision_of(value, row["decision"])
        if name not in review.places:
            raise ReadError(value, f"{review.folder} has no image {name}", "Correct the file")
        pixels = row.get("pixels", "")
        if pixels and pixels != review.images[review.places[name]].pixels:
            rule = "the pixels have changed since the table was written"
            raise ReadError(value, rule, "Write the sheets again, and look at them")
        boxes = parse_boxes(row.get("regions", "")) if decision == "blank" else []
        decisions.append(Row(name, decision, boxes))
    return decisions


def carry_out(review: Review, path: Path) -> Iterator[str]:
    """Carry out the decisions of a table; every row is checked before the first one.

    Args:
        review: the images.
        path: the table.

    Yields:
        A line for each image whose new copy does not state YES, with the reason.

    Raises:
        ReadError: a row is wrong, or an image cannot be shown or blanked.
        WriteError: a file cannot be written.
    """
    for row in read_decisions(path, review):
        stands = review.decide(row.file, row.decision, row.boxes)
        if stands:
            yield f"{row.file} does not state YES: {stands}"
