"""Measure whether the rewriter keeps the meaning, on sentences made from real prose.

    python benchmarks/bangla_rewriter.py prose --part dev    # the sentences that may be seen
    python benchmarks/bangla_rewriter.py prose --part test   # only when the rules are final

`prose` is the folder of `bangla_prose_sources`. A real sentence of the first person is a template:
its pronouns and verbs of the first person, which are never ambiguous, are put at a level of the
second person, and the same at another level is what the rewriter should write. All other words are
those of the author. The templates of `dev` are from the example sentences of even headwords, those
of `test` from odd headwords and the sentences of volunteers; this was fixed before the rewriter was
changed. Since 830 kept templates had been measured, every second one (`seen`, by its number in the
random order) may now be read, and `test` is the others. Orders without a pronoun are the object of
such a sentence with the order of its verb. Those of the kept templates have been read, so those of
`test` are of the kept chapters and the other translation of the book, which nobody read for this.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from random import Random

from bangla_prose_sources import texts
from runner import machine, option, parsed, read, replace_rows

from bangla_checker import inflect, normalise, pronoun_for, pronoun_of, readings, rewrite
from bangla_checker.lexicon.dialect import is_regional
from bangla_checker.lexicon.morphology import Analysis, analyse, generate

KEPT = ("test_sentences", "kept_pairs")
PARTS = {"dev": ("tune",), "seen": KEPT, "test": KEPT}
ORDERED = {"dev": ("tune",), "seen": KEPT, "test": ("kept_prose", "kept_hoque")}
DIRECTIONS = tuple(permutations(("tui", "tumi", "apni"), 2))
LEVELS = {"tui", "tumi", "apni"}
TEMPLATES, ORDERS = 2000, 240
_SENTENCE = re.compile(r"[^।?!\n]+[।?!]")
_WORD = re.compile("[\u0980-\u09ff\u200c\u200d]+")
_SPEECH = re.compile("[\"'“”\u2018\u2019:;\u2013\u2014()A-Za-z-]")
_ENDS = ("ই", "ও")
_NO_ORDER = frozenset(normalise("যেন কি কী কে কেন কোথায় কখন কবে কেমন").split())
"""Words of wishes and questions, in which the verb is no order."""


_CONTEXT = {
    "tui": normalise("তোর চিঠি পেয়েছি।"),
    "tumi": normalise("তোমার চিঠি পেয়েছি।"),
    "apni": normalise("আপনার চিঠি পেয়েছি।"),
}
"""A sentence before an order, as a letter has it: without any address no order is known as one."""


@dataclass(frozen=True)
class Pair:
    """A sentence at one level, and what it is at another one."""

    kind: str
    source: str
    wanted: str
    target: str


def _sentences(folder: Path, corpora: Sequence[str]) -> Iterator[list[str]]:
    seen = set()
    for corpus in corpora:
        for text in texts(folder, corpus):
            for match in _SENTENCE.finditer(normalise(text)):
                pieces = re.split(f"({_WORD.pattern})", match[0].strip())
                words = pieces[1::2]
                if match[0] in seen or _SPEECH.search(match[0]) or not 4 <= len(words) <= 20:
                    continue
                seen.add(match[0])
                yield pieces


def _is_template(words: Sequence[str]) -> bool:
    pronouns = [p for word in words if (p := pronoun_of(word))]
    people = [p.subject for p in pronouns]
    subjects = [p for p in pronouns if p.subject == "ami" and p.nominative]
    verbs = [word for word in words if _cell(word)]
    plain = not any(is_regional(w) or any(r.literary for r in readings(w)) for w in words)
    second = LEVELS & set(people) or any(
        {r.subject for r in readings(word)} <= LEVELS for word in words if readings(word)
    )
    return len(subjects) == 1 and bool(verbs) and plain and not second


def _cell(word: str) -> Analysis | None:
    """The analysis of a verb that is of the first person and of one tense only."""
    if not readings(word) or any(r.subject != "ami" for r in readings(word)):
        return None
    found = [a for a in analyse(word) if a.reading in readings(word)]
    return found[0] if len({a.reading for a in found}) == 1 else None


def _at(pieces: Sequence[str], level: str) -> str | None:
    words = []
    for word in pieces:
        pronoun, cell = pronoun_of(word), _cell(word)
        if pronoun is not None and pronoun.subject == "ami":
            tail = word[-1] if word.endswith(_ENDS) and pronoun_of(word[:-1]) else ""
            word = pronoun_for(level, pronoun.case) + tail
        elif cell is not None:
            made = generate(cell._replace(reading=cell.reading._replace(subject=level)))
            if not made:
                return None
            word = made[0]
        words.append(word)
    return "".join(words)


def templates(folder: Path, part: str) -> list[Pair]:
    """Return the sentences in all directions, from randomly drawn templates."""
    found = [pieces for pieces in _sentences(folder, PARTS[part]) if _is_template(pieces[1::2])]
    Random(0).shuffle(found)
    found = found if part == "dev" else found[part == "test" :: 2]
    pairs, used = [], 0
    for pieces in found:
        levels = {level: _at(pieces, level) for level in ("tui", "tumi", "apni")}
        if used == TEMPLATES:
            break
        if None not in levels.values():
            used += 1
            pairs += [Pair("sentence", str(levels[a]), str(levels[b]), b) for a, b in DIRECTIONS]
    return pairs


def orders(folder: Path, part: str) -> list[Pair]:
    """Return orders without a pronoun: up to three words of a real sentence, and its verb."""
    found: dict[str, str] = {}
    for pieces in _sentences(folder, ORDERED[part]):
        words = pieces[1::2]
        if not _is_template(words) or (cell := _cell(words[-1])) is None or cell.ending:
            continue
        start = max(i for i, w in enumerate(words) if pronoun_of(w)) + 1
        between = words[start:-1][-3:]
        is_order = not _NO_ORDER & {*words}
        if between and is_order and not any(readings(word) for word in between):
            found.setdefault(cell.reading.verb, " ".join(between))
    pairs = []
    for verb, head in found.items():
        forms = {lv: inflect(verb, "imperative", lv)[:1] for lv in ("tui", "tumi", "apni")}
        if all(forms.values()):
            made = {level: f"{head} {form[0]}।" for level, form in forms.items()}
            made = {level: f"{_CONTEXT[level]} {order}" for level, order in made.items()}
            pairs += [Pair("order", made[a], made[b], b) for a, b in DIRECTIONS]
    return pairs[:ORDERS]


def marked(folder: Path) -> list[Pair]:
    """Return 300 sentences of real text that were marked by hand, each with what should change."""
    texts_of = {corpus: texts(folder, corpus) for corpus in KEPT}
    pairs = []
    for row in read("bangla_rewriter_marked"):
        text, start = normalise(texts_of[row["corpus"]][int(row["text"])]), int(row["start"])
        match = _SENTENCE.match(text, start)
        assert match, row
        source = match[0].strip()
        pieces, at = re.split(f"({_WORD.pattern})", source), 0
        for old, new in (edit.split(">") for edit in row["wanted"].split()):
            at = pieces.index(old, at)
            pieces[at] = new.partition("|")[0]
        pairs.append(Pair("marked", source, "".join(pieces), row["target"]))
    return pairs


def judge(pair: Pair) -> tuple[int, int, list[tuple[str, str, str]], int]:
    """Return the needed changes, those made, other changes (old, wanted, new), and half changes."""
    result = rewrite(pair.source, pair.target).text
    columns = (_WORD.findall(text) for text in (pair.source, pair.wanted, result))
    rows = list(zip(*columns, strict=True))[3 if pair.kind == "order" else 0 :]
    needed = [row for row in rows if not _same(row[1], row[0], pair.target)]
    made = sum(_same(wanted, new, pair.target) for _, wanted, new in needed)
    wrong = [row for row in rows if row[0] != row[2] and not _same(row[1], row[2], pair.target)]
    return len(needed), made, wrong, int(0 < made < len(needed))


def _same(wanted: str, word: str, target: str) -> bool:
    """Whether a word is the wanted one, or another spelling of it."""
    cells = (a for a in analyse(wanted) if a.reading.subject == target)
    return wanted == word or word in {form for cell in cells for form in generate(cell)}


def main() -> None:
    """Measure a part. With `--write`, write the results."""
    options = parsed(
        __doc__,
        option("folder", type=Path, help="the folder of the unpacked packages"),
        option("--part", choices=PARTS, default="dev", help="which sentences"),
        option("--show", type=int, default=0, help="print so many failures"),
        option("--write", action="store_true", help="write the results"),
        threads=None,
    )
    rows = []
    for kind, pairs in (
        ("sentences", templates(options.folder, options.part)),
        ("orders", orders(options.folder, options.part)),
        ("marked", marked(options.folder)),
    ):
        for direction in (*DIRECTIONS, None) if kind != "marked" else (None,):
            chosen = [p for p in pairs if direction is None or p.target == direction[1]]
            if direction is not None:
                chosen = pairs[DIRECTIONS.index(direction) :: len(DIRECTIONS)]
            judged = [judge(pair) for pair in chosen]
            needed, made = sum(j[0] for j in judged), sum(j[1] for j in judged)
            name = "all" if direction is None else " to ".join(direction)
            scores = {
                "sentences": len(judged),
                "needed changes": needed,
                "made": made / max(1, needed),
                "sentences changed in meaning": sum(bool(j[2]) for j in judged) / len(judged),
                "sentences changed by half": sum(j[3] for j in judged) / len(judged),
            }
            for measure, value in scores.items():
                print(options.part, kind, name, measure, f"{value:.4g}", sep="\t", flush=True)
                subject = f"{kind}, {options.part}, {name}"
                row = {"device": "cpu", "subject": subject, "measure": measure}
                rows.append(row | {"value": f"{value:.5g}"} | machine())
            if direction is None and options.show:
                _print_failures(chosen, judged, options.show)
    if options.write:
        replace_rows("bangla_rewriter", rows, ("subject",))


def _print_failures(pairs: Sequence[Pair], judged: Sequence[tuple], number: int) -> None:
    left: Counter[str] = Counter()
    shown = 0
    for pair, (needed, made, wrong, half) in zip(pairs, judged, strict=True):
        result = rewrite(pair.source, pair.target)
        if wrong or half:
            print("WRONG", pair.target, pair.source, "->", result.text, "|", pair.wanted, wrong)
        elif made < needed:
            left[str([fault.question for fault in result.questions][:1])] += 1
            if shown < number:
                shown += 1
                reasons = [(fault.word, fault.question) for fault in result.questions]
                print("left", pair.target, pair.source, "|", pair.wanted, "|", reasons)
    print(left.most_common(12))


if __name__ == "__main__":
    main()
