"""Personal pronouns, with whom they stand for and which case they are in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from scionwood_bangla.text.normalise import normalise

CASES = ("nominative", "genitive", "objective", "plural", "plural_oblique")

# subject -> its forms in the order of CASES, alternatives after a bar. A chandrabindu alone tells
# the honoured third person from the plain one.
_TABLE = {
    "ami": ("আমি|মুই", "আমার", "আমাকে|আমায়", "আমরা", "আমাদের|আমাদেরকে"),
    "tui": ("তুই", "তোর", "তোকে", "তোরা", "তোদের|তোদেরকে"),
    "tumi": ("তুমি", "তোমার", "তোমাকে|তোমায়", "তোমরা", "তোমাদের|তোমাদেরকে"),
    "apni": ("আপনি", "আপনার", "আপনাকে|আপনায়", "আপনারা", "আপনাদের|আপনাদেরকে"),
    "se": ("সে", "তার", "তাকে", "তারা|ওরা|এরা", "তাদের|তাদেরকে|ওদের|এদের"),
    "tini": (
        "তিনি|উনি|ইনি|যিনি",
        "তাঁর|ওঁর|এঁর|ওনার|উনার|এনার|যাঁর",
        "তাঁকে|ওঁকে|এঁকে|ওনাকে|উনাকে|এনাকে|যাঁকে",
        "তাঁরা|ওঁরা|এঁরা|ওনারা|উনারা|যাঁরা",
        "তাঁদের|ওঁদের|এঁদের|ওনাদের|উনাদের|যাঁদের|তাঁদেরকে",
    ),
}

# The written style (sadhu bhasha), which has the honoured forms with a chandrabindu too.
_LITERARY = {
    "se": ("", "তাহার|উহার|ইহার", "তাহাকে|উহাকে|ইহাকে", "তাহারা|উহারা|ইহারা", "তাহাদের|তাহাদিগকে"),
    "tini": ("", "তাঁহার", "তাঁহাকে", "তাঁহারা", "তাঁহাদের|তাঁহাদিগকে"),
}


@dataclass(frozen=True)
class Pronoun:
    """What a pronoun says.

    Attributes:
        subject: one of `SUBJECTS`.
        case: one of `CASES`.
        literary: of the written style.
    """

    subject: str
    case: str
    literary: bool = False

    @property
    def nominative(self) -> bool:
        """Whether it can be the subject of a verb."""
        return self.case in ("nominative", "plural")


@cache
def pronouns() -> dict[str, Pronoun]:
    """Every form, normalised."""
    found = {}
    for table, literary in ((_TABLE, False), (_LITERARY, True)):
        for subject, cells in table.items():
            for case, group in zip(CASES, cells, strict=True):
                for form in filter(None, group.split("|")):
                    found[normalise(form)] = Pronoun(subject, case, literary)
    return found


def pronoun_for(subject: str, case: str) -> str:
    """The usual form of a pronoun.

    Args:
        subject: one of `SUBJECTS`.
        case: one of `CASES`.
    """
    return normalise(_TABLE[subject][CASES.index(case)].partition("|")[0])
