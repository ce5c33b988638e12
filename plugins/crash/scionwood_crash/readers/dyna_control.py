"""The control block of a d3plot file, which is checked before anything is allocated.

Source: LSTC, "LS-DYNA Database Binary Output Files" (2014), section "Control data".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from scionwood import ReadError

_WORDS = {
    "filetype": 11,
    "ndim": 15,
    "numnp": 16,
    "nglbv": 18,
    "iu": 20,
    "nel8": 23,
    "nv3d": 27,
    "nel2": 28,
    "nv1d": 30,
    "nel4": 31,
    "nv2d": 33,
    "neips": 35,
    "maxint": 36,
    "nmsph": 37,
    "narbs": 39,
    "nelt": 40,
    "nv3dt": 42,
    "ioshl1": 43,
    "ioshl2": 44,
    "ialemat": 47,
    "ncfdv1": 48,
    "nadapt": 50,
    "nmmat": 51,
    "numfluid": 52,
    "npefg": 54,
    "nel48": 55,
    "extra": 57,
}
_KINDS = {4: "an interface force file", 5: "a d3part file", 11: "an eigenvalue file"}
_UNREAD = {
    "nmsph": "SPH particles",
    "npefg": "airbag particles",
    "ialemat": "ALE materials",
    "numfluid": "ALE fluids",
    "nadapt": "adaptive remeshing",
    "nel48": "shells of 8 nodes",
    "ncfdv1": "CFD or multi-solver data",
}
_NDIMS = {
    6: "rigid road surfaces",
    7: "rigid road surfaces",
    8: "compressed rigid bodies (DCOMP other than 1 or 3)",
    9: "compressed rigid bodies (DCOMP other than 1 or 3)",
}
_MARK = -999999.0


@final
@dataclass(frozen=True)
class Control:
    """The declarations in the first 64 words.

    Attributes:
        word: bytes per word, 4 or 8.
        values: integers by their name in the manual.
    """

    word: int
    values: dict[str, int]

    @classmethod
    def open(cls, path: Path) -> Control:
        """Read and check the control block.

        Raises:
            ReadError: the file is not d3plot, is truncated, or holds unsupported data.
        """
        with path.open("rb") as file:
            head = file.read(64 * 8)
        control = cls(*_parse(path, head))
        control._check_features(path)
        control._check_size(path)
        return control

    def _check_features(self, path: Path) -> None:
        value = self.values
        if value["filetype"] != 1:
            kind = _KINDS.get(value["filetype"], "a file with 64 bit numbers in 32 bit words")
            raise ReadError(str(path), f"d3plot: it is {kind}", "Name the d3plot file itself")
        if value["ndim"] not in (4, 5, *_NDIMS):
            rule = (
                f"d3plot: NDIM is {value['ndim']}; the file is damaged, or of LS-DYNA before 2011"
            )
            raise ReadError(str(path), rule, "Write it again with a newer solver or LS-PrePost")
        unread = [text for name, text in _UNREAD.items() if value[name]]
        unread += ["deletion by nodes"] if -10000 < value["maxint"] < 0 else []
        unread += [_NDIMS[value["ndim"]]] if value["ndim"] in _NDIMS else []
        if unread:
            rule = f"d3plot: it holds {', '.join(unread)}, which is not supported"
            raise ReadError(str(path), rule, "Write shells only, with DCOMP 1")
        if not value["iu"]:
            rule = "d3plot: it holds no positions of nodes (IU is 0)"
            raise ReadError(str(path), rule, "Write them: *DATABASE_EXTENT_BINARY")

    def _check_size(self, path: Path) -> None:
        value = self.values
        counts = [
            "numnp",
            "nglbv",
            "nv3d",
            "nel2",
            "nv1d",
            "nel4",
            "nv2d",
            "narbs",
            "nelt",
            "neips",
            "nv3dt",
            "nmmat",
            "extra",
        ]
        negative = [name for name in counts if value[name] < 0]
        # Eight nodes and a material; below zero, two more nodes of each follow.
        solids = abs(value["nel8"]) * (11 if value["nel8"] < 0 else 9)
        # The control block, then coordinates, solids, thick shells, beams and shells with their
        # materials, and numbers chosen by the user.
        words = 64 + value["extra"] + 3 * value["numnp"] + solids + 9 * value["nelt"]
        words += 6 * value["nel2"] + 5 * value["nel4"] + value["narbs"]
        words += value["nmmat"] if value["ndim"] == 5 else 0
        size = path.stat().st_size
        if negative or value["extra"] > 1024 or words * self.word > size:
            rule = f"d3plot: it declares {words * self.word} bytes of mesh, but has {size}"
            if negative:
                rule = f"d3plot: it declares {', '.join(negative)} below zero"
            raise ReadError(str(path), rule, "Is it truncated? Copy it again")
        # MAXINT below -10000 says that elements are deleted, and holds the layers beside that mark.
        layers = abs(value["maxint"]) % 10000
        per_layer = 6 * (value["ioshl1"] == 1000) + (value["ioshl2"] == 1000) + value["neips"]
        if value["nel4"] and layers * per_layer > value["nv2d"]:
            rule = f"d3plot: a shell has {value['nv2d']} values, but its {layers} layers have more"
            raise ReadError(str(path), rule, "Is it damaged? Copy it again")


def family(path: Path) -> list[Path]:
    """Return the d3plot file and its state files, in order.

    Raises:
        ReadError: a state file is missing.
    """
    pattern = re.compile(re.escape(path.name) + r"(\d+)")
    matches = [(pattern.fullmatch(item.name), item) for item in path.parent.iterdir()]
    numbered = sorted((int(match[1]), item) for match, item in matches if match)
    numbers = [number for number, _ in numbered]
    if numbers and numbers != list(range(1, len(numbers) + 1)):
        missing = sorted(set(range(1, numbers[-1])) - set(numbers))
        rule = f"d3plot: state file number {missing[0] if missing else numbers[0]} is "
        rule += "missing" if missing else "not expected"
        raise ReadError(str(path), rule, "Copy the whole family: d3plot, d3plot01, d3plot02 ...")
    return [path, *(item for _, item in numbered)]


def check_mark(path: Path, word: int) -> None:
    """Check that a file ends with the mark that the solver writes last.

    Raises:
        ReadError: the end mark is missing.
    """
    dtype = np.dtype("<f4" if word == 4 else "<f8")
    with path.open("rb") as file:
        end = file.seek(0, 2)
        tail = b""
        while end and not tail.rstrip(b"\0"):
            start = max(0, end - (1 << 16))
            file.seek(max(0, start - 8))
            tail, end = file.read(end - max(0, start - 8)), start
    tail = tail.rstrip(b"\0")
    # -999999 ends in a byte that is not zero, in both precisions.
    if len(tail) < word or np.frombuffer(tail[-word:], dtype)[0] != _MARK:
        rule = f"d3plot: {path.name} does not end with the end mark -999999"
        raise ReadError(
            str(path), rule, "The run was killed, or the file is truncated: copy it again"
        )


def _parse(path: Path, head: bytes) -> tuple[int, dict[str, int]]:
    for word, dtype in ((4, "i4"), (8, "i8")):
        for order in "<>":
            if len(head) < 64 * word:
                continue
            words = np.frombuffer(head, order + dtype, 64)
            if words[_WORDS["filetype"]] % 1000 not in (1, *_KINDS):
                continue
            if order == ">":
                rule = "d3plot: it is big-endian, as old workstations wrote it"
                raise ReadError(str(path), rule, "Convert it with LS-PrePost")
            return word, {name: int(words[at]) for name, at in _WORDS.items()}
    rule = "it is not a d3plot file: its control block has no known file type"
    raise ReadError(str(path), rule, "Is it truncated, or of another format? Copy it again")
