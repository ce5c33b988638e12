"""Check how a Bangla text addresses people, and say what could not be decided."""

from __future__ import annotations

from collections.abc import Collection

from scionwood import RecipeError
from scionwood_bangla.checker.addressees import Addressees, address_faults
from scionwood_bangla.checker.clauses import words_of
from scionwood_bangla.checker.findings import RULES as RULES
from scionwood_bangla.checker.findings import Fault as Fault
from scionwood_bangla.checker.findings import Findings as Findings
from scionwood_bangla.checker.findings import Undecided as Undecided
from scionwood_bangla.checker.letters import structure_faults
from scionwood_bangla.checker.subjects import SubjectTracker
from scionwood_bangla.checker.tokens import sentences, tokenise
from scionwood_bangla.lexicon import LEVELS
from scionwood_bangla.text.normalise import normalise


def check_text(
    text: str, register: Collection[str] | None = None, *, letter: bool | None = False
) -> Findings:
    """Check a text in time linear in its length.

    Args:
        text: any text; it is normalised first, and positions count in the normalised text.
        register: the levels that are acceptable, of tui, tumi and apni; any where None.
        letter: also check the parts of a letter; None does so where the text looks like one.

    Returns:
        The faults in the order of the text, and the verbs on which the checker abstains.

    Raises:
        RecipeError: a register that is no level.
    """
    allowed = None if register is None else _levels(register)
    findings = Findings(normalise(text))
    tracker, addressees = SubjectTracker(findings), Addressees()
    for sentence in sentences(tokenise(findings.text)):
        words = words_of(sentence)
        tracker.read(words, addressees.of(words, findings))
    findings.faults += address_faults(findings, addressees.polite, allowed)
    if letter is not False:
        findings.faults += structure_faults(findings.text, certain=letter is True)
    findings.faults.sort(key=lambda fault: (fault.start, fault.end))
    return findings


def _levels(register: Collection[str]) -> frozenset[str]:
    for level in register:
        if level not in LEVELS:
            raise RecipeError(f"register {level!r}", "it is no level", f"Of {', '.join(LEVELS)}")
    if not register:
        raise RecipeError("register", "it names a level at least", f"Of {', '.join(LEVELS)}")
    return frozenset(register)
