"""The Python interface: check, score, restate and generate Bangla text.

Examples:
    >>> from scionwood_bangla import api
    >>> findings = api.check_text("স্যার, তুমি কবে আসবে?")
    >>> [(fault.rule, fault.word) for fault in findings.faults]
    [('vocative', 'তুমি')]
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scionwood_bangla.checker import Fault as Fault
from scionwood_bangla.checker import Findings as Findings
from scionwood_bangla.checker import check_text as check_text
from scionwood_bangla.checker.restate import restate as restate
from scionwood_bangla.checker.scores import Row as Score
from scionwood_bangla.checker.scores import score_texts as score_texts
from scionwood_bangla.evaluation.baselines import with_instructions
from scionwood_bangla.evaluation.quality import Quality as Quality
from scionwood_bangla.evaluation.quality import judge_answer as judge_answer
from scionwood_bangla.inference import Answer as Answer
from scionwood_bangla.inference import Decoding as Decoding
from scionwood_bangla.inference import load_writer
from scionwood_bangla.readers.load import read_examples as read_examples
from scionwood_bangla.text.examples import Example as Example
from scionwood_bangla.text.examples import Message
from scionwood_bangla.text.normalise import normalise as normalise
from scionwood_bangla.text.reading import read_text as read_text

__all__ = [
    "Answer",
    "Decoding",
    "Example",
    "Fault",
    "Findings",
    "Quality",
    "Score",
    "check_text",
    "generate",
    "judge_answer",
    "normalise",
    "read_examples",
    "read_text",
    "restate",
    "score_texts",
]


def generate(
    prompts: Sequence[str],
    *,
    run: str | Path | None = None,
    peft: str | Path | None = None,
    model: str | None = None,
    register: str | None = None,
    decoding: Decoding | None = None,
    device: str = "cpu",
) -> list[Answer]:
    """Generate an answer to each prompt.

    Args:
        prompts: the requests, in Bangla.
        run: a run of a task of this plugin: its folder, or another reference. If `run`, `peft` and
            `model` are all `None`, it is the shipped one, `bangla/register_tiny`.
        peft: a plain peft folder for `model`, instead of a run.
        model: the model without a run: `tiny`, a local folder, or owner/name on the hub.
        register: the level that each prompt asks for explicitly, `tui`, `tumi` or `apni`. If
            `None`, the prompts stay as they are.
        decoding: how tokens are chosen. `None` means greedy decoding.
        device: the device, such as `cpu` or `cuda`.

    Raises:
        RecipeError: the level is unknown, both `run` and `peft` are given, or a prompt is too long.
        TrainingError: the run is not finished.
        AdapterFileError: the adapter is damaged, or was made for another base.
        WeightsError: the model cannot be loaded.

    Examples:
        >>> from scionwood_bangla.api import Decoding, generate
        >>> (answer,) = generate(["বন্ধুকে চিঠি লেখো।"], decoding=Decoding(max_new_tokens=4))
        >>> answer.ended
        False
    """
    turns: list[tuple[Message, ...]] = [(Message("user", prompt),) for prompt in prompts]
    if register is not None:
        turns = [with_instructions(each, register) for each in turns]
    return load_writer(run, peft, model, device).write(turns, decoding)
