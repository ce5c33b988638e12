"""The personal pronouns, with person, level and case."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from bangla_checker.text.normalise import normalise

CASES = ("nominative", "genitive", "objective", "plural", "plural_oblique")

# The forms of each subject in the order of CASES, with alternatives after a bar. Only a
# chandrabindu distinguishes the honorific from the plain third person.
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

# The literary style (sadhu bhasha), whose honorific forms have a chandrabindu too.
_LITERARY = {
    "se": ("", "তাহার|উহার|ইহার", "তাহাকে|উহাকে|ইহাকে", "তাহারা|উহারা|ইহারা", "তাহাদের|তাহাদিগকে"),
    "tini": ("", "তাঁহার", "তাঁহাকে", "তাঁহারা", "তাঁহাদের|তাঁহাদিগকে"),
}


@dataclass(frozen=True)
class Pronoun:
    """A reading of a pronoun.

    Attributes:
        subject: one of `SUBJECTS`.
        case: one of `CASES`.
        literary: whether the form is literary (sadhu bhasha).
    """

    subject: str
    case: str
    literary: bool = False

    @property
    def nominative(self) -> bool:
        """Whether the pronoun can be the subject of a verb."""
        return self.case in ("nominative", "plural")


@cache
def pronouns() -> dict[str, Pronoun]:
    """Return the reading of each pronoun, by normalised form."""
    by_form = {}
    for table, literary in ((_TABLE, False), (_LITERARY, True)):
        for subject, cells in table.items():
            for case, group in zip(CASES, cells, strict=True):
                for form in filter(None, group.split("|")):
                    by_form[normalise(form)] = Pronoun(subject, case, literary)
    return by_form


def pronoun_for(subject: str, case: str) -> str:
    """Return the most usual form of a pronoun."""
    return normalise(_TABLE[subject][CASES.index(case)].partition("|")[0])
