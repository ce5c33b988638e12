"""What a check finds in a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import final


@final
@dataclass
class Findings:
    """The identifying content of a file.

    Attributes:
        path: the file.
        identity: places of attributes that tell who, when or where, such as `PatientID`.
        private: number of private elements, whose meaning only the vendor knows.
        overlays: number of elements of curves and overlays.
        burned_in: why the pixels may contain text; empty after a look at them.
        unlisted: places of values that are on no list of what may stay, or that the object's
            definition does not name.
        channels: places outside of the elements: the preamble, file meta information, spare bits,
            the name of the file.
        traces: places where words, dates or UIDs of the source are still found.
        pixels: SHA-256 of the pixels; empty without an image.

    Example:
        >>> from pathlib import Path
        >>> Findings(Path("scan.dcm"), identity=["PatientID"]).clean
        False
    """

    path: Path
    identity: list[str] = field(default_factory=list)
    private: int = 0
    overlays: int = 0
    burned_in: str = ""
    unlisted: list[str] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)
    traces: list[str] = field(default_factory=list)
    pixels: str = ""

    @property
    def clean(self) -> bool:
        """Whether the file has no identifying content."""
        return not (self.header or self.burned_in)

    @property
    def header(self) -> list[str]:
        """Everything but the text in pixels, one line each."""
        lines = [*self.identity]
        lines += [f"{place}: no list allows this value" for place in self.unlisted]
        lines += [f"{self.private} private elements"] * bool(self.private)
        lines += [f"{self.overlays} elements of overlays or curves"] * bool(self.overlays)
        lines += self.channels
        return [*lines, *(f"{place}: a value of the source" for place in self.traces)]

    @property
    def lines(self) -> list[str]:
        """All findings, one line each."""
        return self.header + [f"text in the pixels: {self.burned_in}"] * bool(self.burned_in)
