"""Measure the Bangla checker on prose that its authors did not write.

    python benchmarks/bangla_prose.py prose               # the texts that may be seen
    python benchmarks/bangla_prose.py prose --kept        # all texts; only when rules are final
    python benchmarks/bangla_prose.py prose --kept kept_hoque    # this text alone

`bangla_prose_sources` says where the texts come from, and how they are split.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from random import Random

from bangla_prose_sources import READ_BEFORE, SOURCES, texts
from runner import Row, machine, option, parsed, read, replace_rows

from bangla_checker import (
    LEVELS,
    Findings,
    check_text,
    inflect,
    is_homograph,
    normalise,
    pronoun_for,
    pronoun_of,
    readings,
)

KINDS = {"verb, second": 40, "verb, third": 30, "pronoun": 40}
"""How many flips of each kind a seed plants: a verb after a second-person pronoun, a verb after a
third-person pronoun, and a second-person pronoun."""

PLANTED = ("dev_prose", "kept_prose", "kept_pairs", "kept_hoque")
"""The corpora into which flips are planted."""

READ = {"kept_hoque": 50, "kept_unmarked": 50}
"""The number of flags that a reader sees, where it is not 100."""

Score = tuple[str, str, float]
Place = tuple[int, str]

_WORD = re.compile("[\u0980-\u09ff\u200c\u200d]+")
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

_SENTENCE = re.compile(r"[^।\n?!\"]+")
_THIRD = {"se": "tini", "tini": "se"}
_TAILS = ("", "নি", "না", "ই", "ও")
_NO_SUBJECTS = frozenset(map(normalise, ("আপনিই", "সেই")))


def flags(corpus: str, findings: Sequence[Findings]) -> Iterator[Score]:
    """Yield the flags per 1,000 words, by rule and in all. The spelling note is not counted."""
    words = sum(len(_WORD.findall(item.text)) for item in findings)
    counts = Counter(fault.rule for item in findings for fault in item.faults)
    yield corpus, "words", words
    yield corpus, "verbs", sum(item.verbs for item in findings)
    yield corpus, "judged", sum(item.judged for item in findings)
    for rule, number in sorted(counts.items()):
        yield corpus, f"flags, {rule}", 1000 * number / words
    yield corpus, "flags", 1000 * counts.total() / words


def coverage(corpus: str, findings: Sequence[Findings]) -> Score:
    """Return the share of the words with an ending of finite verbs only that the lexicon knows."""
    words = Counter(word for item in findings for word in _WORD.findall(item.text))
    finite, covered = count_finite(words.elements())
    return corpus, "coverage", covered / finite


def count_finite(words: Iterable[str]) -> tuple[int, int]:
    """Return how many words have an ending that only finite verbs have, and how many are known."""
    finite = [word for word in words if _FINITE.search(word) and word not in _NOUNS]
    return len(finite), sum(bool(readings(word)) for word in finite)


@dataclass(frozen=True)
class Flip:
    """A word of a real text, and the same word at another level."""

    kind: str
    text: int
    start: int
    old: str
    new: str
    sentence: tuple[int, int]


def plant(findings: Sequence[Findings], seed: int) -> list[Flip]:
    """Return flips of level, chosen by the paradigm and without a judgement of the checker."""
    random = Random(seed)
    sites: dict[str, list[Flip]] = {kind: [] for kind in KINDS}
    for number, item in enumerate(findings):
        for match in _SENTENCE.finditer(item.text):
            words = [(w.start() + match.start(), w[0]) for w in _WORD.finditer(match[0])]
            if 3 <= len(words) <= 30:
                for kind, start, old, new in _sites(words, random):
                    sites[kind].append(Flip(kind, number, start, old, new, match.span()))
    return [
        flip for k, n in KINDS.items() for flip in random.sample(sites[k], min(n, len(sites[k])))
    ]


def _sites(words: list[Place], random: Random) -> Iterator[tuple[str, int, str, str]]:
    pronouns = [(i, p) for i, (_, word) in enumerate(words) if (p := pronoun_of(word))]
    for i, pronoun in pronouns:
        if not pronoun.nominative or pronoun.subject == "ami" or words[i][1] in _NO_SUBJECTS:
            continue
        if pronoun.subject == "se" and pronoun.case == "plural":
            continue  # its flip is the spelling with a chandrabindu
        verb = next((place for place in words[i + 1 :] if _is_sure(place[1])), None)
        between = [j for j, p in pronouns if j > i and p.nominative]
        if verb is None or any(words[j][0] < verb[0] for j in between):
            continue
        new = _flipped(verb[1], pronoun.subject, random)
        if new:
            yield "verb, second" if pronoun.subject in LEVELS else "verb, third", *verb, new
    second = [(i, p) for i, p in pronouns if p.subject in LEVELS]
    if len({p.subject for _, p in second}) != 1:
        return
    have = second[0][1].subject
    verbs = sum(_is_sure(word) and have in _subjects(word) for _, word in words)
    if len(second) + verbs > 1:
        i, pronoun = random.choice(second)
        level = random.choice([other for other in LEVELS if other != have])
        yield "pronoun", *words[i], pronoun_for(level, pronoun.case)


def _flipped(word: str, have: str, random: Random) -> str:
    others = [lv for lv in LEVELS if lv != have] if have in LEVELS else [_THIRD[have]]
    to = random.choice(others)
    for reading in readings(word):
        if reading.subject != have or reading.literary:
            continue
        for form, tail in product(inflect(reading.verb, reading.tense, to), _TAILS):
            same = word.endswith(tail) and word.removesuffix(tail) in inflect(
                reading.verb, reading.tense, have
            )
            if same and _subjects(form + tail) and have not in _subjects(form + tail):
                return form + tail
    return ""


def recall(corpus: str, findings: Sequence[Findings], seed: int) -> Iterator[Score]:
    """Yield the share of planted flips whose sentence gets a new fault, by kind."""
    flips = plant(findings, seed)
    hits = Counter(flip.kind for flip in flips if _is_found(flip, findings[flip.text]))
    counts = Counter(flip.kind for flip in flips)
    for kind in KINDS:
        subject = f"flips, {corpus}, {kind}"
        yield subject, f"seed {seed}", hits[kind] / counts[kind] if counts[kind] else 0.0
        yield subject, f"number, seed {seed}", counts[kind]


def _is_found(flip: Flip, before: Findings) -> bool:
    end = flip.start + len(flip.old)
    after = check_text(before.text[: flip.start] + flip.new + before.text[end:])
    starts = {fault.start for fault in before.faults}
    low, high = flip.sentence[0], flip.sentence[1] + len(flip.new) - len(flip.old)
    new = (f for f in after.faults if low <= f.start <= high)
    return any(fault.start not in starts or fault.start == flip.start for fault in new)


def sample(corpus: str, findings: Sequence[Findings], number: int) -> Iterator[Row]:
    """Yield random flags for a reader: place, rule, words. The text is not quoted."""
    faults = [(k, fault) for k, item in enumerate(findings) for fault in item.faults]
    for k, fault in sorted(
        Random(0).sample(faults, min(number, len(faults))),
        key=lambda pair: (pair[0], pair[1].start),
    ):
        yield {
            "corpus": corpus,
            "text": k,
            "start": fault.start,
            "rule": fault.rule,
            "word": fault.word,
            "verdict": "",
            "reason": "",
        }


def _subjects(word: str) -> set[str | None]:
    return {reading.subject for reading in readings(word)}


def _is_sure(word: str) -> bool:
    group = readings(word)
    return bool(group) and all(r.subject for r in group) and not is_homograph(word)


def main() -> None:
    """Measure corpora. With `--kept`, write the results and the list of flags to read."""
    options = parsed(
        __doc__,
        option("folder", type=Path, help="the folder of the unpacked packages"),
        option(
            "--kept", nargs="*", choices=SOURCES, help="measure these texts, or all, and write them"
        ),
        option("--show", choices=SOURCES, help="print each flag of a corpus with its text"),
        threads=None,
    )
    if options.show:
        _print_flags(_checked(options.folder, options.show))
        return
    corpora = READ_BEFORE if options.kept is None else options.kept or tuple(SOURCES)
    for corpus in corpora:
        findings = _checked(options.folder, corpus)
        scores = [*flags(corpus, findings), coverage(corpus, findings)]
        if corpus in PLANTED:
            scores += [score for seed in range(3) for score in recall(corpus, findings, seed)]
        for subject, measure, value in scores:
            print(subject, measure, f"{value:.5g}", sep="\t", flush=True)
        if options.kept is not None:
            _write(corpus, scores, findings)


def _write(corpus: str, scores: Sequence[Score], findings: Sequence[Findings]) -> None:
    # Write the rows of a corpus. Those of other corpora stay.
    table = [
        {"device": "cpu", "subject": s, "measure": m, "value": f"{v:.5g}"} for s, m, v in scores
    ]
    replace_rows("bangla_prose", [row | machine() for row in table], ("subject",))
    if corpus not in READ_BEFORE:
        flagged = sample(corpus, findings, READ.get(corpus, 100))
        replace_rows("bangla_prose_flags", _with_verdicts(list(flagged)), ("corpus",))


def _checked(folder: Path, corpus: str) -> list[Findings]:
    return [check_text(text) for text in texts(folder, corpus)]


def _with_verdicts(rows: Sequence[Row]) -> list[Row]:
    # The verdicts of a reader stay with their flags when the table is written again.
    verdicts = {_key(row): row for row in read("bangla_prose_flags")}
    merged = []
    for row in rows:
        old = verdicts.get(_key(row), {})
        verdict = {name: old.get(name, "") for name in ("verdict", "reason")}
        merged.append({"device": "cpu", **row, **verdict})
    return merged


def _key(row: Row) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in ("corpus", "text", "start", "rule"))


def _print_flags(findings: Sequence[Findings]) -> None:
    for k, item in enumerate(findings):
        for fault in item.faults:
            context = item.text[max(0, fault.start - 150) : fault.end + 60].replace("\n", " / ")
            print(k, fault.start, fault.rule, fault.word, fault.reason, context, sep=" | ")


if __name__ == "__main__":
    main()
