"""Audit a corpus: flags per 1,000 words, verbs that the lexicon knows, and a sample of flags."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from scionwood import ReadError
from scionwood_bangla.checker import check_text
from scionwood_bangla.checker.findings import Fault
from scionwood_bangla.lexicon import readings
from scionwood_bangla.text.normalise import BENGALI, normalise
from scionwood_bangla.text.reading import read_text

CONTEXT_CHARACTERS = 60
"""The characters of context before a flag, and half as many after it."""

_WORD = re.compile(f"[{BENGALI}\u200c\u200d]+")
_FINITE = re.compile(
    normalise(
        "(েছ|চ্ছ)(ি|ে|েন|িস|ো)(নি|না|ই|ও)?$|ছিল(াম|েন|ি|ো|)(না|ই|ও)?$|..লাম(না|ই|ও)?$"
        "|..লেন(না|ই|ও)?$|..বেন(না|ই|ও)?$|..তাম(না|ই|ও)?$|..তেন(না|ই|ও)?$"
    )
)
_NOUNS = frozenset(
    normalise(
        "কাছে পাছে মাছে গাছে পিছে আছে নাছে সালাম ইসলাম গোলাম কলাম কালাম সেলাম বোতাম নীলাম "
        "নিলাম ইচ্ছে ইচ্ছেও মিছিল মিছে ভিলেন স্লোগান আসসালামুআলাইকুম ওয়ালাইকুমআসসালাম "
        "পিচ্ছিল গুচ্ছে"
    ).split()
)
"""Nouns with such an ending."""


@dataclass(frozen=True)
class Flag:
    """A fault with its place and its context.

    Attributes:
        file: the file.
        start: the index of its first character in the normalised text.
        rule: the rule.
        word: the word.
        reason: what is wrong with it.
        context: the text around it, with the word in brackets.
    """

    file: str
    start: int
    rule: str
    word: str
    reason: str
    context: str


@dataclass
class Audit:
    """The counts of a corpus.

    Attributes:
        texts: the number of texts.
        words: the number of Bangla words.
        verbs: the number of finite verbs.
        judged: the number of verbs that were compared with a subject.
        undecided: the number of verbs that were not judged.
        flags: the number of faults by rule.
        finite: the number of words with an ending that only finite verbs have.
        known: the number of those that the lexicon knows.
        refused: the files that are no Bangla text, each with the reason.
        every: all flags.
    """

    texts: int = 0
    words: int = 0
    verbs: int = 0
    judged: int = 0
    undecided: int = 0
    flags: Counter[str] = field(default_factory=Counter)
    finite: int = 0
    known: int = 0
    refused: list[str] = field(default_factory=list)
    every: list[Flag] = field(default_factory=list)

    @property
    def per_thousand(self) -> float:
        """The flags per 1,000 words."""
        return 1000 * self.flags.total() / max(1, self.words)

    @property
    def coverage(self) -> float:
        """The share of words with an ending of finite verbs that the lexicon knows, or NaN."""
        return self.known / self.finite if self.finite else float("nan")

    def add(self, text: str, name: str) -> None:
        """Check a text, and count its words, verbs and flags.

        Args:
            text: the text.
            name: its name in the sample of flags.
        """
        findings = check_text(text)
        self.texts += 1
        words = _WORD.findall(findings.text)
        self.words += len(words)
        self.verbs += findings.verbs
        self.judged += findings.judged
        self.undecided += len(findings.undecided)
        self.flags.update(fault.rule for fault in findings.faults)
        finite, known_count = count_finite(words)
        self.finite, self.known = self.finite + finite, self.known + known_count
        self.every += [_flag(fault, findings.text, name) for fault in findings.faults]

    def sample(self, n: int, seed: int) -> list[Flag]:
        """Draw flags without replacement, in the order of the corpus.

        Args:
            n: the largest number of flags.
            seed: the seed of the draw.
        """
        chosen = Random(seed).sample(range(len(self.every)), min(n, len(self.every)))
        return [self.every[at] for at in sorted(chosen)]


def audit_files(paths: Sequence[Path], *, progress: Callable[[int], None] | None = None) -> Audit:
    """Audit text files. Files that are no Bangla text are named, and left out.

    Args:
        paths: text files, and JSON lines with `text` or `completion`.
        progress: called with the number of files done.
    """
    audit = Audit()
    for number, path in enumerate(paths, 1):
        try:
            for name, text in _texts(path):
                audit.add(text, name)
        except ReadError as error:
            audit.refused.append(str(error))
        if progress is not None:
            progress(number)
    return audit


def files_below(corpus: Path) -> list[Path]:
    """Return a text file, or the text files below a folder, in the order of their names.

    Args:
        corpus: a file, or a folder with files .txt, .md or .jsonl.

    Raises:
        ReadError: there is no such file.
    """
    if corpus.is_file():
        return [corpus]
    kinds = {".txt", ".md", ".jsonl"}
    files = sorted(path for path in corpus.rglob("*") if path.suffix.lower() in kinds)
    if not files:
        rule = "there is no file .txt, .md or .jsonl"
        raise ReadError(str(corpus), rule, "Name a text file, or a folder with text files")
    return files


def count_finite(words: Iterable[str]) -> tuple[int, int]:
    """Return how many words have an ending that only finite verbs have, and how many are known.

    Args:
        words: normalised words.
    """
    finite = [word for word in words if _FINITE.search(word) and word not in _NOUNS]
    return len(finite), sum(bool(readings(word)) for word in finite)


def as_record(audit: Audit, sample: Sequence[Flag]) -> dict[str, Any]:
    """Return an audit as values for JSON.

    Args:
        audit: the counts.
        sample: the flags to show.
    """
    coverage = None if audit.coverage != audit.coverage else round(audit.coverage, 5)
    counts = {name: getattr(audit, name) for name in ("texts", "words", "verbs", "judged")}
    return {
        **counts,
        "undecided": audit.undecided,
        "flags": dict(audit.flags),
        "flags_per_1000_words": round(audit.per_thousand, 4),
        "coverage": coverage,
        "refused": audit.refused,
        "sample": [asdict(flag) for flag in sample],
    }


def _texts(path: Path) -> list[tuple[str, str]]:
    if path.suffix.lower() != ".jsonl":
        return [(str(path), read_text(path))]
    rows = []
    for number, line in enumerate(path.read_text("utf-8", errors="replace").split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            text = record.get("text", record.get("completion"))
        except (ValueError, AttributeError, RecursionError) as error:
            rule = f"it is no JSON object ({error})"
            raise ReadError(f"{path}, line {number}", rule, 'Such as {"text": "..."}') from error
        if not isinstance(text, str):
            rule = "it has neither text nor completion"
            raise ReadError(f"{path}, line {number}", rule, 'Such as {"text": "..."}')
        rows.append((f"{path}:{number}", text))
    return rows


def _flag(fault: Fault, text: str, name: str) -> Flag:
    before = text[max(0, fault.start - CONTEXT_CHARACTERS) : fault.start]
    after = text[fault.end : fault.end + CONTEXT_CHARACTERS // 2]
    context = f"{before}[{fault.word}]{after}".replace("\n", " / ")
    return Flag(name, fault.start, fault.rule, fault.word, fault.reason, context)
