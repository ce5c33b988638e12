"""Check how a Bangla text addresses people, and report what could not be decided."""

from __future__ import annotations

from collections.abc import Collection

from bangla_checker.checks.addressees import Addressees, address_faults
from bangla_checker.checks.clauses import words_of
from bangla_checker.checks.findings import RULES as RULES
from bangla_checker.checks.findings import Fault as Fault
from bangla_checker.checks.findings import Findings as Findings
from bangla_checker.checks.findings import Undecided as Undecided
from bangla_checker.checks.letters import structure_faults
from bangla_checker.checks.subjects import SubjectTracker
from bangla_checker.checks.tokens import sentences, tokenise
from bangla_checker.errors import OptionError
from bangla_checker.lexicon import LEVELS
from bangla_checker.lexicon.dialect import is_regional
from bangla_checker.lexicon.levels import levels_of
from bangla_checker.messages import Message
from bangla_checker.text.normalise import normalise


def check_text(
    text: str,
    register: Collection[str] | None = None,
    *,
    letter: bool | None = False,
    chandrabindu: bool = False,
) -> Findings:
    """Check the honorific level of every word of address in a text.

    The time is linear in the length of the text.

    Args:
        text: the text. It is normalised first, and positions refer to the normalised text.
        register: the accepted levels, of `tui`, `tumi` and `apni`. `None` accepts all of them.
        letter: whether to check the parts of a letter too. `None` checks them if the text looks
            like a letter.
        chandrabindu: whether to report an honorific verb after তারা, which is then written তাঁরা.
            It is a matter of spelling, and not of address.

    Returns:
        The faults in text order, and the verbs that the checker did not judge.

    Raises:
        OptionError: `register` is empty or contains an unknown level.

    Examples:
        >>> from bangla_checker import check_text
        >>> findings = check_text("আপনি কেমন আছ?", ["apni"])
        >>> [(fault.rule, fault.word, fault.suggestions) for fault in findings.faults]
        [('agreement', 'আছ', ('আছেন',))]
    """
    allowed = levels_of(register)
    if register is not None and allowed is None:
        remedy = f"Use one or more of {', '.join(LEVELS)}"
        raise OptionError("register ()", "it must name at least one level of address", remedy)
    findings = Findings(normalise(text))
    tracker, addressees = SubjectTracker(findings), Addressees()
    for sentence in sentences(tokenise(findings.text)):
        words = words_of(sentence)
        before = len(findings.faults), len(findings.evidence)
        tracker.read(words, addressees.of(words, findings))
        if regional := [word.text for word in words if is_regional(word.text)]:
            _leave_out(findings, regional, *before)
    if not chandrabindu:
        _accept_spelling(findings)
    marked = {fault.start for fault in findings.faults}
    faults = address_faults(findings, addressees.polite, allowed)
    findings.faults += [fault for fault in faults if fault.start not in marked]
    marked = {fault.start for fault in findings.faults}
    findings.undecided = [item for item in findings.undecided if item.start not in marked]
    if letter is not False:
        findings.faults += structure_faults(findings.text, certain=letter is True)
    findings.faults.sort(key=lambda fault: (fault.start, fault.end))
    return findings


def _leave_out(findings: Findings, regional: list[str], faults: int, evidence: int) -> None:
    # A sentence in dialect has other verbs, so its verbs are not judged. Its pronouns are standard.
    reason = Message("its sentence has a regional form, {word}", word=regional[0])
    for fault in findings.faults[faults:]:
        findings.undecided.append(Undecided(fault.start, fault.end, fault.word, reason))
    findings.judged -= len(findings.faults) - faults
    del findings.faults[faults:]
    findings.evidence[evidence:] = [item for item in findings.evidence[evidence:] if item.pronoun]
    findings.regional += regional


def _accept_spelling(findings: Findings) -> None:
    faults = [fault for fault in findings.faults if fault.rule != "chandrabindu"]
    findings.agreeing += len(findings.faults) - len(faults)
    findings.faults = faults
