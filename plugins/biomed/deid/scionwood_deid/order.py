"""How files are de-identified: what a process that copies is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

from scionwood_deid.choices import Profile
from scionwood_deid.keys import Key
from scionwood_deid.pixels import PixelPolicy

_RULES = 2
"""The second form of the rules: a copy states YES only after a look at its pixels."""


@final
@dataclass(frozen=True)
class Order:
    """How files are de-identified.

    Attributes:
        key: the secret of the replacements.
        profile: the options of the Basic Profile.
        pixels: what is done about text in pixels.
        names: words of names, in lower case, that leave descriptions and reports.
    """

    key: Key
    profile: Profile = field(default_factory=Profile)
    pixels: PixelPolicy = field(default_factory=PixelPolicy)
    names: tuple[str, ...] = ()

    def mark(self) -> str:
        """Return what tells this order from others, and says nothing about the key."""
        policy = self.key.name(f"{_RULES} {self.pixels!r} {self.names}")[:8]
        return f"{self.key.mark()}-{self.profile.mark()}-{policy}"
