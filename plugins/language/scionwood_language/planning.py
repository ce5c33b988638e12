"""Plans of commands: requests for the commands of this installation, and a trained planner."""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from random import Random

from scionwood import ScionwoodError
from scionwood.authoring import check_plan, command_words, commands
from scionwood_language.inference.decoding import Decoding
from scionwood_language.inference.writer import Writer

REQUEST = "Plan one command of scionwood for this request: {}"
TRAINED = (
    "{}",
    "How do I {}?",
    "I want to {}.",
    "{}, please",
    "Which command is there to {}?",
    "Help me {}.",
)
"""The wordings of training. Those of validation and test are other ones."""

HELD_OUT = (
    "Is there a way to {}?",
    "My task: {}.",
    "Could you {} for me?",
    "What do I type to {}?",
)
FILES = ("line", "scan", "part", "flow", "letter", "shot", "case", "data")


def plan(request: str, run: str | Path) -> str:
    """Return the command line that a run of `language/tool_planning` writes for a request.

    Raises:
        TrainingError: the run is not finished.
        RecipeError: the request is too long for the model.
    """
    turns = [{"role": "user", "content": REQUEST.format(request)}]
    [answer] = Writer.of_run(run).write([turns], Decoding(max_new_tokens=64))
    return answer.text.splitlines()[0] if answer.text else ""


def request_for(command: str, random: Random, wordings: Sequence[str]) -> tuple[str, str]:
    """Return a request for a command, and the command line that answers it.

    The request names a file for every required positional argument and a run for `--run`.

    Args:
        command: the words after `scionwood`, such as `seismic denoise`.
        random: draws the wording and the names of files.
        wordings: texts with a place for what is wanted.
    """
    module, _, attribute = commands()[command].partition(":")
    function = getattr(import_module(module), attribute)
    names, words = [], ["scionwood", *command.split()]
    for name, word in command_words(function).items():
        # `rest` are the words after the command's own
        if word.default is not inspect.Parameter.empty or word.meaning == "rest":
            continue
        value = f"{random.choice(FILES)}{random.randrange(100)}"
        if word.positional:
            names.append(f"{value}.{name.lower()[:4]}")
            words.append(names[-1])
        elif name == "run":
            names.append(f"runs/{value}")
            words += ["--run", names[-1]]
        else:
            words += [f"--{name.replace('_', '-')}", name.upper()]
    text = (inspect.getdoc(function) or "").partition("\n\n")[0].replace("\n", " ")
    summary = re.split(r"(?<=\.)\s", text)[0].rstrip(".")
    goal = re.split(r"[;:]| \(|, (?:and|which|with)", summary)[0]
    goal = goal[:1].lower() + goal[1:] + (f" ({', '.join(names)})" if names else "")
    request = random.choice(list(wordings)).format(goal)
    return request[:1].upper() + request[1:], shlex.join(words)


@cache
def usable() -> tuple[str, ...]:
    """Return the commands whose lines fit their signatures: names and files are all they need."""
    return tuple(name for name in commands() if _is_valid(name))


def _is_valid(name: str) -> bool:
    try:
        return check_plan(request_for(name, Random(0), ("{}",))[1]) == name
    except ScionwoodError:
        return False
