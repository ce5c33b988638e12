"""The units of a crash model, which its files seldom state."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import final

from scionwood import ReadError

LENGTHS = {"m": 1.0, "cm": 1e-2, "mm": 1e-3, "in": 0.0254, "ft": 0.3048}
"""In metres."""

TIMES = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
"""In seconds."""

MASSES = {"kg": 1.0, "g": 1e-3, "t": 1e3, "lb": 0.45359237, "slinch": 175.126835}
"""In kilograms."""

_SAME = {"ton": "t", "tonne": "t", "tonnes": "t", "µs": "us", "sec": "s", "inch": "in"}


@final
@dataclass(frozen=True)
class Units:
    """A consistent set of units; `unknown` if neither the file nor the user states it.

    Attributes:
        length: such as `mm`.
        time: such as `ms`.
        mass: such as `kg`.
    """

    length: str = "unknown"
    time: str = "unknown"
    mass: str = "unknown"

    @classmethod
    def parse(cls, text: str) -> Units:
        """Read units from text such as `mm, ms, kg`, in any order.

        Raises:
            ReadError: the text does not name one length, one time and one mass.
        """
        words = [word for word in re.split(r"[\s,;/]+", text.strip().lower()) if word]
        if set(words) == {"unknown"}:  # the text that is written for a model without units
            return cls()
        names = [_SAME.get(word, word) for word in words]
        kinds = [[name for name in names if name in kind] for kind in (LENGTHS, TIMES, MASSES)]
        if len(names) != 3 or any(len(kind) != 1 for kind in kinds):
            choices = ", ".join([*LENGTHS, *TIMES, *MASSES])
            rule = f"units are one length, one time and one mass of: {choices}"
            raise ReadError(f"units {text!r}", rule, "Such as 'mm, ms, kg'")
        return cls(*(kind[0] for kind in kinds))

    @property
    def known(self) -> bool:
        """Whether the units are stated."""
        return self.length in LENGTHS

    def __str__(self) -> str:
        return f"{self.length}, {self.time}, {self.mass}"


UNKNOWN = Units()
