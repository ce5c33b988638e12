"""Preference pairs: a better and a worse answer to a request, ranked by the checker."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Literal

from scionwood.authoring import atomic_path, writing
from scionwood_bangla.checker.restate import count_faults, is_right, mix_levels, restate
from scionwood_bangla.evaluation.quality import judge_answer
from scionwood_bangla.lexicon import LEVELS
from scionwood_bangla.lexicon.levels import levels_of
from scionwood_bangla.text.examples import Example, Message
from scionwood_bangla.text.normalise import normalise
from scionwood_language import read_pairs

if TYPE_CHECKING:
    from scionwood_bangla.inference import Writer
    from scionwood_language import Answer, Decoding


Rank = Literal["register", "good"]


@dataclass(frozen=True)
class Preference:
    """A request with a better and a worse answer.

    Attributes:
        prompt: the turns before the answer.
        chosen: the answer at an accepted level.
        rejected: an answer with a fault of address.
        register: the accepted levels.
    """

    prompt: tuple[Message, ...]
    chosen: str
    rejected: str
    register: frozenset[str]


def from_examples(examples: Sequence[Example], *, seed: int = 0) -> list[Preference]:
    """Pair each correct answer with the same answer at a wrong level or at mixed levels.

    Both answers have the same content, so that a model can learn only the level of address from the
    pair. Answers that the checker judges wrong, or cannot rewrite, are left out.

    Args:
        examples: the examples. Examples without a register are left out.
        seed: the seed that draws the wrong levels.
    """
    random, pairs = Random(seed), []
    for example in examples:
        register = example.register
        if register is None or not is_right(example.completion, register):
            continue
        worse = _worse(example.completion, register, random)
        if worse is not None:
            answer = normalise(example.completion)
            pairs.append(Preference(example.prompt, answer, worse, register))
    return pairs


def from_samples(
    writer: Writer,
    examples: Sequence[Example],
    decoding: Decoding,
    *,
    samples: int = 8,
    rank: Rank = "register",
    progress: Callable[[int], None] | None = None,
) -> list[Preference]:
    """Pair the best with the worst of a model's own answers, ranked by the checker.

    A pair needs a complete correct answer and a wrong answer. Requests without both are left out.

    Args:
        writer: the model that samples the answers.
        examples: the examples. Only their prompts and registers are used.
        decoding: how the model samples.
        samples: the number of answers per prompt.
        rank: what makes an answer correct, see `best_and_worst`.
        progress: called with the number of answers done.
    """
    labelled = [example for example in examples if example.register is not None]
    prompts = [example.prompt for example in labelled for _ in range(samples)]
    answers = writer.write(prompts, decoding, progress=progress)
    groups = (answers[at * samples : (at + 1) * samples] for at in range(len(labelled)))
    pairs = (
        best_and_worst(example, group, rank)
        for example, group in zip(labelled, groups, strict=True)
    )
    return [pair for pair in pairs if pair is not None]


def best_and_worst(
    example: Example, answers: Sequence[Answer], rank: Rank = "register"
) -> Preference | None:
    """Pair the best with the worst of several answers.

    Args:
        example: the example with the prompt and the register.
        answers: the answers to its prompt.
        rank: `register` ranks answers by the level of address alone, so a model learns to write
            safe lines that ignore the request. `good` asks for relevance, fluency and freshness
            too; see `judge_answer`.

    Returns:
        The pair, or `None` if no answer is correct and complete, or no answer is wrong.
    """
    register = example.register or frozenset(LEVELS)
    if rank == "good":
        request = example.prompt[-1].content
        scores = [judge_answer(request, answer.text, register) for answer in answers]
        best = [a for a, score in zip(answers, scores, strict=True) if a.ended and score.good]
        worst = min(range(len(answers)), key=lambda at: scores[at].passed)
        if not best or scores[worst].good:
            return None
        return Preference(example.prompt, best[0].text, answers[worst].text, register)
    faults = [count_faults(answer.text, register) for answer in answers]
    correct = [answer.ended and is_right(answer.text, register) for answer in answers]
    wrong = answers[faults.index(max(faults))]
    if not any(correct) or is_right(wrong.text, register):
        return None
    right = answers[correct.index(True)]
    return Preference(example.prompt, right.text, wrong.text, register)


def write_preferences(
    pairs: Sequence[Preference], path: str | Path, *, overwrite: bool = False
) -> None:
    """Write pairs as JSON lines with `prompt` (messages), `chosen`, `rejected` and `register`.

    Args:
        pairs: the pairs.
        path: the file to write.
        overwrite: replace an existing file.

    Raises:
        OutputExistsError: the file exists and `overwrite` is false.
        WriteError: the file cannot be written.
    """
    lines = []
    for pair in pairs:
        turns = [{"role": turn.role, "content": turn.content} for turn in pair.prompt]
        record = {"prompt": turns, "chosen": pair.chosen, "rejected": pair.rejected}
        register = [level for level in LEVELS if level in pair.register]
        lines.append(json.dumps(record | {"register": register}, ensure_ascii=False))
    with writing(path), atomic_path(path, overwrite=overwrite) as part:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_preferences(path: str | Path) -> list[Preference]:
    """Read pairs from a file of JSON lines, as `write_preferences` and TRL write them.

    Args:
        path: the file, UTF-8. A prompt is a text or messages. An answer is a text, or a list with
            one message.

    Raises:
        ReadError: the file does not exist, or a line is not a pair. The line is named.
    """
    return read_pairs(path, _pair)


def _worse(answer: str, register: frozenset[str], random: Random) -> str | None:
    wrong = [level for level in LEVELS if level not in register]
    mixed = not wrong or random.random() < 0.5
    candidates = [mix_levels(answer, random) if mixed else None]
    candidates += [
        restate(answer, level, certain=False) for level in random.sample(wrong, len(wrong))
    ]
    candidates.append(mix_levels(answer, random))
    worse = (text for text in candidates if text is not None and not is_right(text, register))
    return next(worse, None)


def _pair(pair: Any, record: Mapping[str, Any], where: str) -> Preference:
    turns, chosen, rejected = pair
    messages = tuple(Message(turn["role"], normalise(turn["content"])) for turn in turns)
    levels = levels_of(record.get("register")) or frozenset(LEVELS)
    return Preference(messages, normalise(chosen), normalise(rejected), levels)
