"""Programs with one planted fault each, and reviews in three parts that are judged exactly."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, final

from scionwood.authoring import Split
from scionwood_language.data.generated import Talks
from scionwood_language.review.faults import FAULTS, plant, programs

REQUEST = (
    "Review this Python program. Answer in three lines: `What:` with the class of the fault, "
    "`Where:` with the line, and `Hint:` without the solution."
)
CODES: dict[Split, range] = {"train": range(154), "val": range(154, 180), "test": range(180, 256)}
"""The first byte of a program's hash decides its split."""


@final
class CodeReview(Talks):
    """Reviews of real Python programs with a planted fault: what is wrong, where, and a hint.

    Each of twelve faults is planted by three templates into functions of the standard library. No
    program is in two splits. The judge needs no other model: it tells the shares of reviews that
    name the line (`line`), the class of the fault (`fault`), and that show no solution (`no_leak`).

    Shapes: as for `language/conversations`; `line`, `fault` and `solution` are texts of each row.

    Units: tokens.

    Source: inspired by Kumar et al. on feedback for novices. The paper was not found, so this is no
        reproduction. The faults are ours, and the programs are those of the installed Python.

    Raises:
        RecipeError: a size is not positive.
    """

    def pairs(self, split: Split) -> list[tuple[str, str, dict[str, str]]]:
        """Return the examples of a split, with the faults and their templates in turn."""
        random, count = self.random(split)
        sources = [code for code in programs() if sha256(code.encode()).digest()[0] in CODES[split]]
        reviews: list[tuple[str, str, dict[str, str]]] = []
        requests: set[str] = set()
        for number in range(4 * count):
            at, template = number % len(FAULTS), number // len(FAULTS) % 3
            faulty = plant(FAULTS[at], template, sources, random)
            if faulty is None or faulty.code in requests or len(reviews) == count:
                continue  # this template fits no program of a small split, or it was drawn before
            requests.add(faulty.code)
            numbered = [f"{n} {line}" for n, line in enumerate(faulty.code.splitlines(), 1)]
            review = f"What: {faulty.fault.name}. {faulty.fault.what}\nWhere: line {faulty.line}\n"
            more = {"line": str(faulty.line), "fault": faulty.fault.name}
            more["solution"] = faulty.solution
            review += f"Hint: {faulty.fault.hint}"
            reviews.append(("\n".join([REQUEST, *numbered]), review, more))
        return reviews

    def judge(self, answers: Sequence[str], batch: Mapping[str, Any]) -> dict[str, float]:
        """Return the shares of reviews with the right line, the right class, and no solution."""
        rows = zip(answers, batch["line"], batch["fault"], batch["solution"], strict=True)
        scores = [judge_review(*row) for row in rows]
        return {name: sum(row[name] for row in scores) / len(scores) for name in scores[0]}


def judge_review(review: str, line: str, fault: str, solution: str) -> dict[str, bool]:
    """Return whether a review names the line and the class, and shows no solution."""
    where = re.search(r"^where:.*?(\d+)", review, re.IGNORECASE | re.MULTILINE)
    what = re.search(r"^what:(.*)$", review, re.IGNORECASE | re.MULTILINE)
    leaks = re.sub(r"\s+", "", solution) in re.sub(r"\s+", "", review)
    return {
        "line": where is not None and where[1] == line,
        "fault": what is not None and fault in what[1].lower(),
        "no_leak": not leaks,
    }
