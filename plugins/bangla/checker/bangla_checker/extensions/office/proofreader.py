"""The proofreader of LibreOffice: it marks faults of address in a paragraph.

LibreOffice loads this file by its own Python, and finds the checker in `pythonpath.zip` beside it.

Source: the interface `com.sun.star.linguistic2.XProofreader` of the API of LibreOffice.
"""

# ruff: noqa: D102  # the methods are those of the interface, which documents them

from __future__ import annotations

from typing import Any

import unohelper
from com.sun.star.lang import Locale, XServiceDisplayName, XServiceInfo, XServiceName
from com.sun.star.linguistic2 import ProofreadingResult, SingleProofreadingError, XProofreader
from com.sun.star.text.TextMarkupType import PROOFREADING

from bangla_checker.checks import check_text
from bangla_checker.checks.findings import Fault
from bangla_checker.messages import Language, said
from bangla_checker.reports.places import Places
from bangla_checker.reports.report import as_question, explained

NAME = "org.scionwood.BanglaProofreader"
PROOFREADER = "com.sun.star.linguistic2.Proofreader"
COUNTRIES = ("BD", "IN")


_Base: Any = type(  # classes of LibreOffice have no types
    "_Base", (unohelper.Base, XProofreader, XServiceInfo, XServiceName, XServiceDisplayName), {}
)


class Proofreader(_Base):  # type: ignore[misc]
    """Checks paragraphs; each has one level of address at most.

    Args:
        context: the context of LibreOffice, which is not used.
    """

    def __init__(self, context: Any, *_: Any) -> None:
        self._ignored: set[str] = set()

    def doProofreading(
        self, document: str, text: str, locale: Any, start: int, end: int, options: Any
    ) -> Any:
        result = ProofreadingResult()
        result.aDocumentIdentifier, result.aText, result.aLocale = document, text, locale
        result.aProperties, result.xProofreader = options, self
        result.nStartOfSentencePosition = start
        # The first call answers for the whole paragraph, so that no sentence is judged alone.
        result.nBehindEndOfSentencePosition = result.nStartOfNextSentencePosition = _units(text)
        result.aErrors = tuple(self._marks(text)) if start == 0 else ()
        return result

    def _marks(self, text: str) -> list[Any]:
        findings = check_text(text)
        places = Places(findings.text, text)
        kept = (fault for fault in findings.faults if fault.rule not in self._ignored)
        return [_mark(fault, places, "bn") for fault in kept]

    def ignoreRule(self, rule: str, locale: Any) -> None:
        self._ignored.add(rule)

    def resetIgnoreRules(self) -> None:
        self._ignored.clear()

    def isSpellChecker(self) -> bool:
        return False

    def getLocales(self) -> tuple[Any, ...]:
        return tuple(Locale("bn", country, "") for country in COUNTRIES)

    def hasLocale(self, locale: Any) -> bool:
        return locale.Language == "bn" and locale.Country in COUNTRIES

    def getServiceName(self) -> str:
        return NAME

    def getServiceDisplayName(self, locale: Any) -> str:
        return "বাংলা: সম্বোধনের স্তর" if locale.Language == "bn" else "Bangla: levels of address"

    def getImplementationName(self) -> str:
        return NAME

    def supportsService(self, name: str) -> bool:
        return name in self.getSupportedServiceNames()

    def getSupportedServiceNames(self) -> tuple[str, ...]:
        return (PROOFREADER, NAME)


def _mark(fault: Fault, places: Places, language: Language) -> Any:
    error = SingleProofreadingError()
    start, end = places.offset(fault.start), places.offset(fault.end)
    error.nErrorStart = _units(places.original[:start])
    error.nErrorLength = _units(places.original[start:end])
    error.nErrorType, error.aRuleIdentifier = PROOFREADING, fault.rule
    error.aShortComment = said(fault.reason, language)
    question = said(as_question(fault), language) if fault.question else ""
    error.aFullComment = f"{explained(fault, language)} {question}".strip()
    error.aSuggestions = fault.suggestions
    return error


def _units(text: str) -> int:
    """Return the length of a text in LibreOffice, which counts units of UTF-16."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


g_ImplementationHelper = unohelper.ImplementationHelper()  # the loader asks for it
g_ImplementationHelper.addImplementation(Proofreader, NAME, (PROOFREADER, NAME))
