"""Try to judge more verbs, on prose that may be seen: a record of three tries, none of them kept.

    python benchmarks/bangla_coverage.py prose

`prose` is the folder of `bangla_prose_sources`. A verb counts as judged if it is compared with a
subject that is written. The tries would also judge a verb without one:

- `addressee`: a form of the second person alone, such as an order, by the level of its text;
- `carried`: a form that fits the subject of the sentence before it;
- `tagged`: a form of the second or third person, such as করবে, by a classifier that learned from
  verbs whose pronoun is written, without seeing it. Its words are those of the clause, the verb,
  and the level of the text. A verb counts if the classifier is at least 0.9 certain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from bangla_prose_sources import READ_BEFORE, texts
from runner import machine, option, parsed, replace_rows
from scipy.sparse import csr_matrix
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict

from bangla_checker import LEVELS, check_text
from bangla_checker.checks import subjects
from bangla_checker.checks.clauses import Word
from bangla_checker.checks.structure import clause_before

SECOND = frozenset(LEVELS)
CERTAIN = 0.9


def features(words: list[Word], i: int, levels: frozenset[str]) -> dict[str, Any]:
    """Return what the classifier sees of a verb: its clause without pronouns that are subjects."""
    clause = [w for w in clause_before(words, i) if not (w.pronoun and w.pronoun.nominative)]
    found: dict[str, Any] = {f"word {w.text}": 1 for w in clause[-6:]}
    found |= {f"ends {w.text[-2:]}": 1 for w in clause}
    found |= {f"case of {w.pronoun.subject}": 1 for w in words if w.pronoun}
    found |= {f"verb {r.verb} {r.tense}": 1 for r in words[i].readings if r.subject}
    found |= {f"level {level}": 1 for level in levels}
    return found | {"question": words[i].is_question, "last": words[i].closes}


class _Watched(subjects._Reader):
    """Notes each verb with its subject, or without one."""

    seen: ClassVar[list[tuple[list[Word], int, str]]] = []

    def _judge(self, i: int, subject: Any, *, inverted: bool = False) -> None:
        self.seen.append((self.words, i, subject.person))
        super()._judge(i, subject, inverted=inverted)

    def _without_subject(self, i: int) -> None:
        self.seen.append((self.words, i, ""))
        super()._without_subject(i)


def verbs(folder: Path, corpus: str) -> Iterator[tuple[int, list[Word], int, str, str, frozenset]]:
    """Yield text, words, place, person, and the person of the verb before, of all finite verbs."""
    subjects._Reader = _Watched
    for number, text in enumerate(texts(folder, corpus)):
        _Watched.seen = []
        levels, before = check_text(text).levels, ""
        for words, i, person in _Watched.seen:
            yield number, words, i, person, before, levels
            before = person or before


def main() -> None:
    """Print the share of verbs that each try would judge, and write it with `--write`."""
    options = parsed(
        __doc__,
        option("folder", type=Path, help="the folder of the unpacked packages"),
        option("--write", action="store_true", help="write the results"),
        threads=None,
    )
    rows = [
        {"device": "cpu", "subject": corpus, "measure": name, "value": f"{value:.4g}"} | machine()
        for corpus in READ_BEFORE
        for name, value in measured(list(verbs(options.folder, corpus))).items()
    ]
    for row in rows:
        print(row["subject"], row["measure"], row["value"], sep="\t")
    if options.write:
        replace_rows("bangla_coverage", rows, ("subject",))


def measured(found: list[Any]) -> dict[str, float]:
    """Return the shares of one corpus."""
    counts = Counter(kind for item in found for kind in _kinds(item))
    scores = {name: counts[name] / len(found) for name in ("judged", "addressee", "carried")}
    scores["no level"] = counts["no level"] / len(found)
    either = [item for item in found if _is_either(item[1][item[2]])]
    told = [item for item in either if item[3]]
    labels = np.array([item[3] in SECOND for item in told])
    vectors = DictVectorizer()
    table: csr_matrix = vectors.fit_transform([features(t[1], t[2], t[5]) for t in told])
    model = LogisticRegression(max_iter=300, class_weight="balanced")
    groups = [item[0] for item in told]
    chance = cross_val_predict(
        model, table, labels, groups=groups, cv=GroupKFold(5), method="predict_proba"
    )[:, 1]
    sure = np.abs(chance - 0.5) >= CERTAIN - 0.5
    right = (chance > 0.5) == labels
    model.fit(table, labels)
    rest = [item for item in either if not item[3]]
    given = model.predict_proba(vectors.transform([features(t[1], t[2], t[5]) for t in rest]))[:, 1]
    second = given >= CERTAIN
    wrong = sum(
        bool(s) and len(t[5]) == 1 and not t[5] & t[1][t[2]].subjects
        for s, t in zip(second, rest, strict=True)
    )
    return scores | {
        "tagged": float((np.abs(given - 0.5) >= CERTAIN - 0.5).sum() / len(found)),
        "tagger, right where certain": float(right[sure].mean()),
        "tagger, constant answer": float(max(labels.mean(), 1 - labels.mean())),
        "tagger, new flags": float(wrong),
    }


def _is_either(word: Word) -> bool:
    return bool(word.subjects & SECOND) and not word.subjects <= SECOND and len(word.subjects) < 4


def _kinds(item: Any) -> Iterator[str]:
    _, words, i, person, before, levels = item
    subjects_of = words[i].subjects
    if person:
        yield "judged"
    elif not subjects_of & SECOND and "tini" not in subjects_of:
        yield "no level"
    elif subjects_of <= SECOND and levels:
        yield "addressee"
    elif before in subjects_of:
        yield "carried"


if __name__ == "__main__":
    main()
