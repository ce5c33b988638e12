"""What a header says of a person, in the forms in which it may stand in pixels."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from scionwood_deid.terms import is_known_word
from scionwood_sandbox import ReadError, reading

IDS = frozenset({
    "PatientID", "OtherPatientIDs", "AccessionNumber", "StudyID", "AdmissionID", "InstitutionName",
    "PatientAddress", "PatientTelephoneNumbers",
})  # fmt: skip
"""Attributes beside names and dates of a person whose words are searched for."""

SHORTEST = 4
"""Letters or digits of a value that is searched for: shorter ones occur by chance."""

_WORD = re.compile(r"[^\W_]+")
_SAME_GLYPHS = str.maketrans("OILSBZ", "011582")
"""Letters that a reader takes for digits, and the other way round."""


def seeds_of(path: Path) -> list[str]:
    """Return the values of a DICOM file that would name a person in its pixels.

    Names, identities and dates; see `plain` for their form.

    Args:
        path: the file.

    Raises:
        ReadError: it is damaged.
    """
    with reading(path, "DICOM"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = pydicom.dcmread(path, stop_before_pixels=True)
        return sorted({seed for seed in _seeds(header) if len(seed) >= SHORTEST})


def words_of_persons(header: Dataset) -> set[str]:
    """Return the words of all names of persons in a data set, in lower case."""
    names = (str(e.value) for e in header.iterall() if e.VR == "PN" and not e.is_empty)
    return {word.casefold() for name in names for word in _WORD.findall(name)}


def read_names(path: Path) -> tuple[str, ...]:
    """Read the words of a list of names, in lower case.

    Args:
        path: a text file with a name on each line.

    Raises:
        ReadError: it is damaged, or holds no name.
    """
    with reading(path, "list of names"):
        names = tuple(sorted({*_WORD.findall(path.read_text("utf-8").casefold())}))
    if not names:
        raise ReadError(str(path), "it holds no name", "Write one name on each line")
    return names


def resembles(text: str, seeds: Iterable[str]) -> bool:
    """Return whether a text that was read holds a value, with one letter of five misread.

    Args:
        text: what a reader saw.
        seeds: values in the form of `plain`.

    Example:
        >>> resembles("RAHNAN, F. 12/O3/1961", [plain("Rahman")])
        True
        >>> resembles("FOV 240 mm", [plain("Rahman")])
        False
    """
    plain_text = plain(text)
    return any(_distance(seed, plain_text) <= len(seed) // 5 for seed in seeds)


def plain(text: str) -> str:
    """Return the letters and digits of a text in one case, with letters like digits as digits."""
    return "".join(_WORD.findall(text)).upper().translate(_SAME_GLYPHS)


def _seeds(header: Dataset) -> Iterator[str]:
    for element in header.iterall():
        values = element.value if element.VM > 1 else [element.value]
        for value in map(str, values or ()):
            if element.VR == "PN" or element.keyword in IDS:
                words = [word for word in _WORD.findall(value) if not is_known_word(word)]
                yield from map(plain, words)
                yield plain("".join(words))
            elif element.VR in ("DA", "DT"):
                yield from _dates(value[:8])


def _dates(text: str) -> Iterator[str]:
    """Yield the orders in which a date is written, as digits and with the name of its month."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return
    for form in ("%Y%m%d", "%d%m%Y", "%m%d%Y", "%d%b%Y", "%b%d%Y"):
        yield plain(day.strftime(form))


def _distance(seed: str, text: str) -> int:
    """Return the fewest changes of letters that turn some part of a text into a seed.

    Source: Sellers 1980, doi:10.1016/0196-6774(80)90016-4
    """
    costs: list[int] = [*range(len(seed) + 1)]
    best = costs[-1]
    for letter in text:
        before, costs = costs, [0]
        for at, seed_letter in enumerate(seed):
            change = before[at] + (letter != seed_letter)
            costs.append(min(change, before[at + 1] + 1, costs[at] + 1))
        best = min(best, costs[-1])
    return best
