"""Programs with one planted fault each, and reviews in three parts that are judged exactly."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, final

from scionwood.authoring import Split
from scionwood_language.data.generated import Talks
from scionwood_language.model.tiny import TINY
from scionwood_language.review.faults import FAULTS, Program, program

REQUEST = (
    "Review this Java program. Answer in three lines: `What:` with the class of the fault, "
    "`Where:` with the line, and `Hint:` without the solution."
)


@final
class CodeReview(Talks):
    """Reviews of Java programs of novices: what is wrong, where, and a hint.

    A generator plants one of twelve faults into a right program. The judge needs no other model: it
    tells the shares of reviews that name the line (`line`), the class of the fault (`fault`), and
    that show no solution (`no_leak`).

    Shapes: as for `language/conversations`; `line`, `fault` and `solution` are texts of each row.

    Units: tokens.

    Source: inspired by Kumar et al. on feedback for novices. The paper was not found, so this is no
        reproduction. The programs are made here.

    Raises:
        RecipeError: a size is not positive.
    """

    def __init__(
        self,
        *,
        n_train: int = 1200,
        n_val: int = 36,
        n_test: int = 120,
        tokenizer: str = TINY,
        max_length: int = 512,
        packing: bool = True,
        batch_size: int = 4,
        seed: int = 0,
    ) -> None:
        super().__init__(
            n_train, n_val, n_test, tokenizer, max_length, packing, batch_size, seed
        )

    def pairs(self, split: Split) -> list[tuple[str, str, dict[str, str]]]:
        """Return the examples of a split; no program is in two splits."""
        random, count = self.random(split)
        digits = {"train": (0, 1, 2, 3, 4, 5), "val": (6, 7), "test": (8, 9)}[split]
        reviews: list[tuple[str, str, dict[str, str]]] = []
        while len(reviews) < count:
            faulty = program(FAULTS[len(reviews) % len(FAULTS)], random)
            number = re.findall(r"Task(\d+)", faulty.code)[0]
            if int(number) % 10 in digits:  # the number of the class tells the split
                reviews.append(_example(faulty))
        return reviews

    def judge(self, answers: Sequence[str], batch: Mapping[str, Any]) -> dict[str, float]:
        """Return the shares of reviews with the right line, the right class, and no solution.

        Args:
            answers: the reviews.
            batch: its `line`, `fault` and `solution` are texts of each row.
        """
        rows = zip(answers, batch["line"], batch["fault"], batch["solution"], strict=True)
        scores = [judge_review(*row) for row in rows]
        return {name: sum(row[name] for row in scores) / len(scores) for name in scores[0]}


def judge_review(review: str, line: str, fault: str, solution: str) -> dict[str, bool]:
    """Return whether a review names the line and the class, and shows no solution.

    Args:
        review: the review.
        line: the number of the faulty line.
        fault: the class of the fault.
        solution: the right line of code.
    """
    where = re.search(r"^where:.*?(\d+)", review, re.IGNORECASE | re.MULTILINE)
    what = re.search(r"^what:(.*)$", review, re.IGNORECASE | re.MULTILINE)
    leaks = re.sub(r"\s+", "", solution) in re.sub(r"\s+", "", review)
    return {
        "line": where is not None and where[1] == line,
        "fault": what is not None and fault in what[1].lower(),
        "no_leak": not leaks,
    }


def _example(faulty: Program) -> tuple[str, str, dict[str, str]]:
    numbered = [f"{at} {line}" for at, line in enumerate(faulty.code.splitlines(), 1)]
    request = "\n".join([REQUEST, *numbered])
    review = f"What: {faulty.fault.name}. {faulty.fault.what}\nWhere: line {faulty.line}\n"
    review += f"Hint: {faulty.fault.hint}"
    more = {"line": str(faulty.line), "fault": faulty.fault.name, "solution": faulty.solution}
    return request, review, more
