"""Ask a model by every method, and measure what it writes: one table for adapter and baselines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from scionwood import RecipeError
from scionwood_bangla.checker.restate import is_right
from scionwood_bangla.evaluation.baselines import ANSWERS, METHODS, WITH_ADAPTER, ask
from scionwood_bangla.evaluation.measures import table_of, values
from scionwood_bangla.evaluation.prompts import Half, prompts
from scionwood_bangla.evaluation.text_metrics import Counts
from scionwood_bangla.inference import Answer, Decoding, Writer
from scionwood_bangla.lexicon import LEVELS
from scionwood_bangla.text.examples import Example

Row = dict[str, Any]
"""A measure of a method on a group of a suite, with its interval and its gain over zero-shot."""

BASELINE = "zero_shot"


@dataclass(frozen=True)
class Item:
    """A request with what is known of it.

    Attributes:
        example: the request, an answer, and the levels that are acceptable.
        expected: the level that format prompting names.
        groups: the rows of the table that it counts in, beside `all`.
    """

    example: Example
    expected: str
    groups: tuple[str, ...]


@dataclass(frozen=True)
class Suite:
    """Requests that are reported together.

    Attributes:
        name: such as `handwritten`.
        items: in a fixed order, by which methods are compared in pairs.
    """

    name: str
    items: Sequence[Item]


@dataclass(frozen=True)
class Plan:
    """What is compared.

    Attributes:
        methods: of `baselines.METHODS`.
        decodings: greedy, sampled, or both.
        shots: the examples of few-shot prompting.
        seed: of the bootstrap.
    """

    methods: Sequence[str] = tuple(METHODS)
    decodings: Sequence[Decoding] = (Decoding(), Decoding(sampled=True))
    shots: Sequence[Example] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.methods) - set(METHODS)):
            raise RecipeError(f"method {unknown[0]!r}", f"one of {', '.join(METHODS)}")
        if "few_shot" in self.methods and not self.shots:
            raise RecipeError("method 'few_shot'", "it needs examples to show", "Draw some")

    def runs(self) -> list[tuple[str, Decoding | None]]:
        """Method and decoding of every run, those without adapter first."""
        order = sorted(self.methods, key=lambda method: method in WITH_ADAPTER)
        found: list[tuple[str, Decoding | None]] = []
        for method in order:
            found += (
                [(method, None)] if method in ANSWERS else [(method, d) for d in self.decodings]
            )
        return found


@dataclass
class Evaluation:
    """What came out.

    Attributes:
        rows: of the table.
        answers: by suite, method and decoding, in the order of the suite's items.
        suites: by name.
    """

    rows: list[Row] = field(default_factory=list)
    answers: dict[tuple[str, str, str], list[Answer]] = field(default_factory=dict)
    suites: dict[str, Suite] = field(default_factory=dict)


def handwritten(half: Half = "test") -> Suite:
    """Prompts of the package that were written by hand, by expected level and difficulty.

    Args:
        half: `dev` was looked at while generator and recipes were made, `test` was not.
    """
    items = []
    for prompt in prompts(half=half):
        groups = (prompt.expected, "hard" if prompt.hard else "plain", prompt.cue)
        items.append(Item(prompt.example(), prompt.expected, groups))
    return Suite("handwritten" if half == "test" else f"handwritten_{half}", items)


def held_out(examples: Sequence[Example], name: str = "held_out") -> Suite:
    """Examples that training did not show, by their level.

    Args:
        examples: those without a register are left out.
        name: of the suite.
    """
    items = []
    for example in examples:
        if example.register is not None:
            levels = [level for level in LEVELS if level in example.register]
            items.append(Item(example, levels[-1], (",".join(levels),)))
    return Suite(name, items)


def evaluate(
    writer: Writer,
    suites: Sequence[Suite],
    plan: Plan,
    *,
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Let every method answer every suite, and measure the answers.

    Args:
        writer: the model, with its adapter.
        suites: what is asked.
        plan: how.
        progress: called with the number of answers done.

    Raises:
        RecipeError: a prompt does not fit into the model's context.
    """
    found, done = Evaluation(suites={suite.name: suite for suite in suites}), 0

    def told(count: int) -> None:
        if progress is not None:
            progress(done + count)

    for method, decoding in plan.runs():
        inside = nullcontext(writer) if method in WITH_ADAPTER else writer.without_adapter()
        with inside as chosen:
            for suite in suites:
                answers = _answers(chosen, suite, method, decoding, plan.shots, told)
                found.answers[suite.name, method, decoding.name if decoding else ""] = answers
                done += len(answers)
    found.rows = _rows(found, plan.seed)
    return found


def _answers(
    writer: Writer,
    suite: Suite,
    method: str,
    decoding: Decoding | None,
    shots: Sequence[Example],
    progress: Callable[[int], None],
) -> list[Answer]:
    if decoding is None:
        progress(len(suite.items))
        return [Answer(ANSWERS[method], True)] * len(suite.items)
    asked = [ask(method, item.example, item.expected, shots) for item in suite.items]
    return writer.write(asked, decoding, progress=progress)


def _rows(found: Evaluation, seed: int) -> list[Row]:
    tables = {}
    for key, answers in found.answers.items():
        examples = [item.example for item in found.suites[key[0]].items]
        tables[key] = table_of(
            [answer.text for answer in answers],
            [example.completion for example in examples],
            [example.register or frozenset(LEVELS) for example in examples],
            [answer.ended for answer in answers],
        )
    rows: list[Row] = []
    for (suite, method, decoding), table in tables.items():
        against = tables.get((suite, BASELINE, decoding or "greedy"))
        against = None if method == BASELINE else against
        for group, chosen in _groups(found.suites[suite]).items():
            named = {"suite": suite, "method": method, "decoding": decoding, "group": group}
            other: Counts | None = None if against is None else against[chosen]
            rows += [
                {**named, "texts": int(chosen.sum()), **asdict(value)}
                for value in values(table[chosen], other, seed=seed)
            ]
    return rows


def _groups(suite: Suite) -> dict[str, np.ndarray]:
    names = dict.fromkeys(name for item in suite.items for name in item.groups)
    found = {"all": np.ones(len(suite.items), bool)}
    order = [*(level for level in LEVELS if level in names), *(n for n in names if n not in LEVELS)]
    for name in order:
        found[name] = np.array([name in item.groups for item in suite.items])
    return found


def right(item: Item, answer: Answer) -> bool:
    """Whether an answer addresses people as its request asks for."""
    return is_right(answer.text, item.example.register or frozenset(LEVELS))
