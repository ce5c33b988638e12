"""Look at the pixels of copies: `scionwood-deid-review`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scionwood_sandbox import ReadError, one_child

if TYPE_CHECKING:
    from scionwood_deid.reviewing import Review
    from scionwood_deid.sheets import Sheets


def review(
    folder: Path,
    target: Path | None = None,
    *,
    who: str | None = None,
    decisions: Path | None = None,
    sheets: Path | None = None,
    port: int = 0,
) -> None:
    """Look at the pixels of copies, and keep, blank or drop each image.

    It prints the address of a page on this machine with contact sheets of all frames. Each decision
    is carried out at once: what is kept or blanked is written into another folder, with the record
    `review.csv` of who looked and when. Images without another finding state YES there. The copies
    themselves stay as they are. Started again, it goes on where it stopped; Ctrl-C ends it.

    Where there is no browser, `sheets` writes the contact sheets as pictures with a table, and
    `decisions` carries out the table when it is filled.

    Args:
        folder: the copies that `deidentify` wrote.
        target: the folder of what is kept; by default FOLDER-reviewed.
        who: your name for the record; by default that of the login.
        decisions: a table with the columns file, decision (keep, blank, drop or empty) and regions,
            such as "0 0 200 30; 10 400 90 12": x, y, width and height. With a column pixels it must
            be that of the image now.
        sheets: a new folder for contact sheets and the table `decisions.csv` to fill.
        port: the port of the page; 0 chooses a free one.

    Raises:
        ReadError: there is no image, a decision cannot be carried out, or the record is damaged.
        OutputExistsError: the folder of the sheets exists.
        WriteError: a file cannot be written.
        OptionError: the port is taken.
    """
    from scionwood_deid import tables_of_decisions
    from scionwood_deid.look import who_looks
    from scionwood_deid.reviewing import Review
    from scionwood_deid.sheets import Sheets

    if not folder.is_dir():
        raise ReadError(str(folder), "it is no folder", "Give the folder that `deidentify` wrote")
    with one_child(folder):
        place = folder if folder.name else folder.resolve()
        reviewed = target or place.with_name(f"{place.name}-reviewed")
        name = who_looks(who)
        looks = Review(folder, reviewed, name, "page" if decisions is None else "table")
        if decisions is not None:
            for line in tables_of_decisions.carry_out(looks, decisions):
                print(line)
        elif sheets is not None:
            table = tables_of_decisions.write_sheets(Sheets(looks), sheets)
            print(f"{table}: fill the column decision, then give --decisions {table}")
        else:
            _serve(Sheets(looks), port)
    _print_state(looks)


def _serve(sheets: Sheets, port: int) -> None:
    from scionwood_deid.review_page import ReviewServer

    with ReviewServer(sheets, port) as server:
        print(f"Open {server.address}", flush=True)
        print(sheets.detector, flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


def _print_state(looks: Review) -> None:
    left = len(looks.open_names())
    print(f"{looks.target}: {len(looks.images) - left} of {len(looks.images)} images are decided")
