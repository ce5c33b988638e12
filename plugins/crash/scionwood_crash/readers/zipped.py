"""Keyword decks with includes in one zip archive, as a server receives them."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scionwood import ReadError
from scionwood.authoring import check_zip, unpacked

DECKS = (".k", ".key", ".dyn")
KIND = "zip archive of decks"
NAMES_SHOWN = 5


@contextmanager
def main_deck(source: Path, name: str | None = None) -> Iterator[Path]:
    """Yield the file to read: the source itself, or the main deck of an archive of decks.

    The archive is unpacked beside the source, so that the reader of decks finds the includes. An
    archive without a deck is yielded as it is: it may be a zipped Zarr store.

    Args:
        source: a file.
        name: the main deck in the archive, with its folders; needed if there are several decks.

    Raises:
        ReadError: a name is given for no archive; the archive is damaged or hostile; it has no such
            deck, or several and none is named.
    """
    decks = _decks(source)
    if not decks:
        if name is not None:
            rule = "it is no zip archive of keyword decks"
            raise ReadError(str(source), f"deck {name!r}: {rule}", "Leave deck out")
        yield source
        return
    chosen = name if name is not None else decks[0] if len(decks) == 1 else ""
    if chosen not in decks:
        deck_list = ", ".join(decks[:NAMES_SHOWN]) + (", ..." if len(decks) > NAMES_SHOWN else "")
        rule = f"it has no deck {name!r}" if name else f"it has {len(decks)} decks"
        remedy = f"Name the main deck, as in deck={decks[0]}"
        raise ReadError(str(source), f"{KIND}: {rule}; it holds {deck_list}", remedy)
    with unpacked(source, source.parent, kind=KIND) as folder:
        yield folder / chosen


def _decks(source: Path) -> list[str]:
    """Return the names of the decks in an archive, sorted; none if it is no archive."""
    if source.suffix.lower() != ".zip" or not zipfile.is_zipfile(source):
        return []
    check_zip(source, KIND, allow_repeats=True, inflate=False)
    with zipfile.ZipFile(source) as archive:
        names = set(archive.namelist())
    return sorted(name for name in names if Path(name).suffix.lower() in DECKS)
