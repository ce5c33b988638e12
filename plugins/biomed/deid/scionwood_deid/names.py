"""Names of files and folders, which may name a person."""

from __future__ import annotations

import re
from pathlib import Path

from scionwood_deid.terms import is_known_word

_PSEUDONYM = re.compile(r"[0-9a-f]{16}")
_WORD = re.compile(r"[^\W\d_]+")
_NUMBERS = re.compile(r"\d(?:[ ._()+-]{0,2}\d)*")
_SHORT, _DIGITS = 2, 5
"""Letters of a word and digits of a number, groups joined, that tell nothing by themselves."""
_COMMON = frozenset({
    "again", "anat", "anonymous", "blanked", "bold", "clean", "cleaned", "copies", "copy", "data",
    "dcm", "dicom", "dicomdir", "dwi", "file", "files", "folder", "frame", "func", "images", "img",
    "json", "nifti", "nii", "out", "output", "pictures", "result", "results", "reviewed", "sample",
    "scan", "scans", "ser", "series", "ses", "slices", "stu", "studies", "sub", "subject", "target",
    "test", "testing", "train", "training", "val", "validation", "vol", "volume", "volumes",
})  # fmt: skip
"""Words of names of files that are no words of imaging."""


def odd_names(path: Path) -> list[str]:
    """Return a line if a name holds a word that no list allows, or a long number.

    Args:
        path: the names to judge: of a file alone, or from a folder that is shared to the file.
    """
    lines = []
    for number, part in enumerate(reversed(path.parts)):
        stem = re.sub(r"(?i)\.(dcm|dicom|nii|nii\.gz)$", "", part)
        if _PSEUDONYM.fullmatch(stem):
            continue
        words = [word.casefold() for word in _WORD.findall(stem)]
        odd = [w for w in words if len(w) > _SHORT and w not in _COMMON and not is_known_word(w)]
        numbers = [re.sub(r"\D", "", number) for number in _NUMBERS.findall(stem)]
        if odd or any(len(number) > _DIGITS for number in numbers):
            lines.append("the name of the file" if number == 0 else "the name of a folder")
    return [f"{line} holds a word or number that no list allows" for line in dict.fromkeys(lines)]
