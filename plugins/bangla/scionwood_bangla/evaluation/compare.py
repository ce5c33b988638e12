"""Compare an adapter with its baselines: every method answers the same prompts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scionwood import RecipeError
from scionwood_bangla.checker.restate import is_right
from scionwood_bangla.evaluation.baselines import ANSWERS, METHODS, WITH_ADAPTER, prompt_for
from scionwood_bangla.evaluation.measures import table_of, values
from scionwood_bangla.evaluation.prompts import Half, prompts
from scionwood_bangla.evaluation.text_metrics import Counts
from scionwood_bangla.inference import Writer
from scionwood_bangla.lexicon import LEVELS
from scionwood_bangla.text.examples import Example
from scionwood_language import Answer, Decoding

Row = dict[str, Any]
"""A measure of one method on one group of a suite: the value, its interval and its gain."""

BASELINE = "zero_shot"
"""The method over which gains are computed."""


@dataclass(frozen=True)
class Item:
    """A request of a suite.

    Attributes:
        example: the request, a reference answer, and the accepted levels.
        expected: the level that format prompting names.
        groups: the groups of the results to which the request belongs, besides `all`.
    """

    example: Example
    expected: str
    groups: tuple[str, ...]


@dataclass(frozen=True)
class Suite:
    """A set of requests that are reported together.

    Attributes:
        name: the name, such as `handwritten`.
        items: the requests. Their order is fixed, since methods are compared request by request.
    """

    name: str
    items: Sequence[Item]


@dataclass(frozen=True)
class Plan:
    """The settings of a comparison.

    Attributes:
        methods: the methods, of `baselines.METHODS`.
        decodings: greedy decoding, sampling, or both.
        shots: the examples of few-shot prompting.
        seed: the seed of the bootstrap.

    Raises:
        RecipeError: a method is unknown, or few-shot prompting has no examples.
    """

    methods: Sequence[str] = tuple(METHODS)
    decodings: Sequence[Decoding] = (Decoding(), Decoding(sampled=True))
    shots: Sequence[Example] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.methods) - set(METHODS)):
            remedy = f"Use any of {', '.join(METHODS)}"
            raise RecipeError(f"method {unknown[0]!r}", "there is no such method", remedy)
        if "few_shot" in self.methods and not self.shots:
            remedy = "Give shots, such as those of draw_shots"
            raise RecipeError("method 'few_shot'", "it needs examples", remedy)

    def runs(self) -> list[tuple[str, Decoding | None]]:
        """Return method and decoding of every run, runs without the adapter first."""
        order = sorted(self.methods, key=lambda method: method in WITH_ADAPTER)
        runs: list[tuple[str, Decoding | None]] = []
        for method in order:
            runs += [(method, None)] if method in ANSWERS else [(method, d) for d in self.decodings]
        return runs


@dataclass
class Evaluation:
    """The results of a comparison.

    Attributes:
        rows: the rows of the table.
        answers: the answers by suite, method and decoding, in the order of the suite's requests.
        suites: the suites by name.
        files: the files that it was written to.
    """

    rows: list[Row] = field(default_factory=list)
    answers: dict[tuple[str, str, str], list[Answer]] = field(default_factory=dict)
    suites: dict[str, Suite] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)


def handwritten(half: Half = "test") -> Suite:
    """Return the hand-written prompts of the package, grouped by expected level and difficulty.

    Args:
        half: `dev` was used to develop the generator and the recipes; `test` was not. In
            `inferred` no request names a level.
    """
    items = []
    for prompt in prompts(half=half):
        groups = (prompt.expected, "hard" if prompt.hard else "plain", prompt.cue)
        items.append(Item(prompt.example(), prompt.expected, groups))
    return Suite("handwritten" if half == "test" else f"handwritten_{half}", items)


def held_out(examples: Sequence[Example], name: str = "held_out") -> Suite:
    """Return a suite of examples that are not in the training data, grouped by level.

    Args:
        examples: the examples. Examples without a register are left out.
        name: the name of the suite.
    """
    items = []
    for example in examples:
        if example.register is not None:
            levels = [level for level in LEVELS if level in example.register]
            items.append(Item(example, levels[-1], (",".join(levels),)))
    return Suite(name, items)


def compare(
    writer: Writer,
    suites: Sequence[Suite],
    plan: Plan,
    *,
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Answer every suite by every method, and measure the answers.

    Args:
        writer: the model with its adapter.
        suites: the requests.
        plan: the methods and decodings.
        progress: called with the number of answers done.

    Raises:
        RecipeError: a prompt exceeds the context length of the model.
    """
    evaluation, answer_count = Evaluation(suites={suite.name: suite for suite in suites}), 0

    def advance(count: int) -> None:
        if progress is not None:
            progress(answer_count + count)

    for method, decoding in plan.runs():
        inside = nullcontext(writer) if method in WITH_ADAPTER else writer.without_adapter()
        with inside as chosen:
            for suite in suites:
                answers = _answers(chosen, suite, method, decoding, plan.shots, advance)
                evaluation.answers[suite.name, method, decoding.name if decoding else ""] = answers
                answer_count += len(answers)
    evaluation.rows = _rows(evaluation, plan.seed)
    return evaluation


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
    prompts = [prompt_for(method, item.example, item.expected, shots) for item in suite.items]
    return writer.write(prompts, decoding, progress=progress)


def _rows(evaluation: Evaluation, seed: int) -> list[Row]:
    tables = {}
    for key, answers in evaluation.answers.items():
        examples = [item.example for item in evaluation.suites[key[0]].items]
        tables[key] = table_of(
            [answer.text for answer in answers],
            [example.completion for example in examples],
            [example.register or frozenset(LEVELS) for example in examples],
            [answer.ended for answer in answers],
            [example.prompt[-1].content for example in examples],
        )
    rows: list[Row] = []
    for (suite, method, decoding), table in tables.items():
        against = tables.get((suite, BASELINE, decoding or "greedy"))
        against = None if method == BASELINE else against
        for group, chosen in _groups(evaluation.suites[suite]).items():
            names = {"suite": suite, "method": method, "decoding": decoding, "group": group}
            other: Counts | None = None if against is None else against[chosen]
            rows += [
                {**names, "texts": int(chosen.sum()), **asdict(value)}
                for value in values(table[chosen], other, seed=seed)
            ]
    return rows


def _groups(suite: Suite) -> dict[str, NDArray[np.bool_]]:
    names = dict.fromkeys(name for item in suite.items for name in item.groups)
    groups = {"all": np.ones(len(suite.items), bool)}
    order = [*(level for level in LEVELS if level in names), *(n for n in names if n not in LEVELS)]
    for name in order:
        groups[name] = np.array([name in item.groups for item in suite.items])
    return groups


def matches(item: Item, answer: Answer) -> bool:
    """Return whether an answer addresses people at a level that its request accepts."""
    return is_right(answer.text, item.example.register or frozenset(LEVELS))
