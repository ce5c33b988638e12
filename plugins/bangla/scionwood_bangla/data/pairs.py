"""Pairs of a better and a worse answer to one request, as the checker of address ranks them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from scionwood import ReadError, atomic_path
from scionwood_bangla.checker.restate import faults_of, is_right, restate, unsettle
from scionwood_bangla.lexicon import LEVELS
from scionwood_bangla.text.examples import Example, Message, levels_of
from scionwood_bangla.text.normalise import normalise

if TYPE_CHECKING:
    from scionwood_bangla.inference import Answer, Decoding, Writer


@dataclass(frozen=True)
class Preference:
    """A request with two answers.

    Attributes:
        prompt: the turns up to the answer.
        chosen: addresses people as the request asks for.
        rejected: does not.
        register: the levels that are acceptable.
    """

    prompt: tuple[Message, ...]
    chosen: str
    rejected: str
    register: frozenset[str]


def from_examples(examples: Sequence[Example], *, seed: int = 0) -> list[Preference]:
    """Each right answer against the same one at a wrong level, or with its levels mixed.

    Both have the same content, so that nothing but address can be learned from the pair. Answers
    that the checker finds wrong, or that cannot be said otherwise, are left out.

    Args:
        examples: with the register that each asks for.
        seed: draws whether a level is wrong or several are mixed, and which.
    """
    random, found = Random(seed), []
    for example in examples:
        register = example.register
        if register is None or not is_right(example.completion, register):
            continue
        worse = _worse(example.completion, register, random)
        if worse is not None:
            answer = normalise(example.completion)
            found.append(Preference(example.prompt, answer, worse, register))
    return found


def from_samples(
    writer: Writer,
    examples: Sequence[Example],
    decoding: Decoding,
    *,
    samples: int = 8,
    progress: Callable[[int], None] | None = None,
) -> list[Preference]:
    """The best against the worst of a model's own answers, as the checker ranks them.

    A pair needs an answer that is right and ends, and one that is wrong; requests without both are
    left out.

    Args:
        writer: samples the answers.
        examples: whose prompts and registers are used, and not their answers.
        decoding: how it samples.
        samples: answers of each prompt.
        progress: called with the number of answers done.
    """
    asked = [example for example in examples if example.register is not None]
    prompts = [example.prompt for example in asked for _ in range(samples)]
    answers = writer.write(prompts, decoding, progress=progress)
    own = (answers[at * samples : (at + 1) * samples] for at in range(len(asked)))
    pairs = (preferred(example, each) for example, each in zip(asked, own, strict=True))
    return [pair for pair in pairs if pair is not None]


def preferred(example: Example, answers: Sequence[Answer]) -> Preference | None:
    """The best against the worst of several answers; None where none is right, or none wrong.

    Args:
        example: whose prompt was answered, with its register.
        answers: to it.
    """
    register = example.register or frozenset(LEVELS)
    faults = [faults_of(answer.text, register) for answer in answers]
    ended = [answer.ended and is_right(answer.text, register) for answer in answers]
    worst = answers[faults.index(max(faults))]
    if not any(ended) or is_right(worst.text, register):
        return None
    best = answers[ended.index(True)]
    return Preference(example.prompt, best.text, worst.text, register)


def write_preferences(pairs: Sequence[Preference], path: Path, *, overwrite: bool = False) -> None:
    """Write pairs as JSON lines: `prompt` (messages), `chosen`, `rejected`, `register`.

    Args:
        pairs: any number.
        path: the file.
        overwrite: replace what is there.

    Raises:
        OutputExistsError: the file exists and `overwrite` is false.
    """
    lines = []
    for pair in pairs:
        turns = [{"role": turn.role, "content": turn.content} for turn in pair.prompt]
        record = {"prompt": turns, "chosen": pair.chosen, "rejected": pair.rejected}
        register = [level for level in LEVELS if level in pair.register]
        lines.append(json.dumps(record | {"register": register}, ensure_ascii=False))
    with atomic_path(path, overwrite=overwrite) as part:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_preferences(path: Path) -> list[Preference]:
    """The pairs of a file of JSON lines, as `write_preferences` and TRL write them.

    Args:
        path: UTF-8; a prompt is a text or messages, an answer a text or one message in a list.

    Raises:
        ReadError: no such file, or a line that is no pair, which is named.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ReadError(str(path), str(error), "Give a UTF-8 file of JSON lines") from error
    rows = [(n, line) for n, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        raise ReadError(str(path), "it holds no pairs", "Write one JSON object a line")
    return [_pair(line, f"{path}, line {number}") for number, line in rows]


def _worse(answer: str, register: frozenset[str], random: Random) -> str | None:
    wrong = [level for level in LEVELS if level not in register]
    mixed = not wrong or random.random() < 0.5
    ways = [unsettle(answer, random) if mixed else None]
    ways += [restate(answer, level) for level in random.sample(wrong, len(wrong))]
    ways.append(unsettle(answer, random))
    fitting = (way for way in ways if way is not None and not is_right(way, register))
    return next(fitting, None)


def _pair(line: str, where: str) -> Preference:
    remedy = 'Such as {"prompt": "...", "chosen": "...", "rejected": "...", "register": "apni"}'
    try:
        found: Any = json.loads(line)
        prompt, answers = found["prompt"], [found["chosen"], found["rejected"]]
        turns = prompt if isinstance(prompt, list) else [{"role": "user", "content": prompt}]
        messages = tuple(Message(turn["role"], normalise(turn["content"])) for turn in turns)
        chosen, rejected = (
            normalise(each[-1]["content"] if isinstance(each, list) else each) for each in answers
        )
    except (json.JSONDecodeError, KeyError, TypeError, IndexError) as error:
        raise ReadError(
            where, f"it is no pair ({type(error).__name__}: {error})", remedy
        ) from error
    if not messages or not chosen.strip() or not rejected.strip() or chosen == rejected:
        raise ReadError(where, "a pair has a prompt and two different answers", remedy)
    levels = levels_of(found.get("register")) or frozenset(LEVELS)
    return Preference(messages, chosen, rejected, levels)
