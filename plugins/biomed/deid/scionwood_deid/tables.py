"""The tables of the standard: the Basic Profile, and which attributes an object may hold."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple, final

EDITION = "2026c"
"""The edition of DICOM PS3.15 whose Table E.1-1 is used."""

_ORDER = ("1", "1C", "2", "2C", "3")
PIXELS = frozenset({
    "NumberOfFrames", "PlanarConfiguration", "PixelAspectRatio", "PixelSpacing", "SliceThickness",
    "ImagePositionPatient", "ImageOrientationPatient", "RescaleSlope", "RescaleIntercept",
    "WindowCenter", "WindowWidth", "PixelPaddingValue", "SmallestImagePixelValue",
    "LargestImagePixelValue",
})  # fmt: skip
"""Numbers that tell how pixels are laid out, where they lie and what they mean."""

_RETIRED = {
    "1.2.840.10008.5.1.4.1.1.3": "ultrasound-multi-frame-image",
    "1.2.840.10008.5.1.4.1.1.5": "nuclear-medicine-image",
    "1.2.840.10008.5.1.4.1.1.6": "ultrasound-image",
}
"""Retired storage classes, and the objects that took their place."""

_BODY_MASS_INDEX = 0x00101022
_CONTENT = "ContentSequence"
"""The items of a report hold items of the same kind, to any depth (PS3.3, C.17.3)."""

_FOLDER = "scionwood_deid.standard"


@final
class Rule(NamedTuple):
    """A row of Table E.1-1.

    Attributes:
        action: the action of the Basic Profile, such as `X/Z`.
        options: option to its action, such as `{"dates": "K"}`.
    """

    action: str
    options: Mapping[str, str]


@final
@dataclass(frozen=True)
class Level:
    """The attributes that an object may hold at one place: at its root, or in an item.

    Attributes:
        nodes: the tables of attributes that apply there.
        content: in an item of a report, the tables of the items that it may hold in its turn.
    """

    nodes: tuple[int, ...]
    content: tuple[int, ...] | None = None

    def type_of(self, keyword: str) -> str | None:
        """Return the strictest type of an attribute, or `None` if it may not stand here.

        `PIXELS` may stand everywhere: without them the pixels of odd objects would lose sense.
        """
        if keyword == _CONTENT and self.content is not None:
            return "1C"
        types: list[str] = [node[keyword][0] for node in self._tables() if keyword in node]
        if not types:
            return "3" if keyword in PIXELS else None
        return min(types, key=_ORDER.index)

    def below(self, keyword: str) -> Level:
        """Return the attributes that the items of a sequence may hold."""
        if keyword == _CONTENT and self.content is not None:
            return Level(self.content, self.content)
        tables = (node[keyword] for node in self._tables() if keyword in node)
        nodes = tuple(entry[1] for entry in tables if len(entry) > 1)
        return Level(nodes, nodes if keyword == _CONTENT else None)

    def keywords(self) -> set[str]:
        """Return all attributes that may stand here."""
        return {keyword for node in self._tables() for keyword in node}

    def _tables(self) -> list[Mapping[str, list[Any]]]:
        nodes = _objects()["nodes"]
        return [nodes[number] for number in self.nodes]


@cache
def rules() -> Mapping[str, Rule]:
    """Return Table E.1-1: eight hexadecimal digits of the tag to its rule."""
    with (files(_FOLDER) / "attributes.csv").open(encoding="utf-8") as file:
        return {
            row["tag"]: Rule(
                row["action"], dict(pair.split(":") for pair in row["options"].split())
            )
            for row in csv.DictReader(file)
        }


def rule_of(tag: int) -> Rule | None:
    """Return the rule of an attribute, or `None` if the table does not name it."""
    if tag == _BODY_MASS_INDEX:  # the table names size and weight, and not what they give
        return Rule("X", {"patient": "K"})
    group = tag >> 24
    if group in (0x50, 0x60):
        return rules()["50XXXXXX" if group == 0x50 else "60XX3000"]
    return rules().get(f"{tag:08X}")


def level_of(sop_class: str, *, mandatory: bool = False) -> Level | None:
    """Return what an object of a storage class may hold, or `None` if no table knows the class.

    Args:
        sop_class: the SOP class UID.
        mandatory: only the attributes of mandatory modules.
    """
    objects = _objects()
    name = objects["classes"].get(sop_class, _RETIRED.get(sop_class, ""))
    if name not in objects["objects"]:
        return None
    parts = objects["objects"][name]
    return Level(tuple(number for number, usage in parts if usage == "M" or not mandatory))


@cache
def _objects() -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = json.loads((files(_FOLDER) / "objects.json").read_text("utf-8"))
    return loaded
