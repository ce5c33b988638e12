"""A trained planner: a request in, a command line out."""

from __future__ import annotations

from pathlib import Path

from scionwood_language.inference.decoding import Decoding
from scionwood_language.inference.writer import Writer

REQUEST = "Plan one command of scionwood for this request: {}"


def plan(request: str, run: str | Path) -> str:
    """Return the command line that a run of `language/tool_planning` writes for a request.

    Raises:
        TrainingError: the run is not finished.
        RecipeError: the request is too long for the model.
    """
    turns = [{"role": "user", "content": REQUEST.format(request)}]
    [answer] = Writer.of_run(run).write([turns], Decoding(max_new_tokens=64))
    return answer.text.splitlines()[0] if answer.text else ""
