"""Make requests for the commands of this installation, each with a command line that is valid."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from random import Random

from scionwood import ScionwoodError
from scionwood.authoring import check_plan
from scionwood_language.planning.commands import Command, draft, known_commands

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


def request_for(command: Command, random: Random, wordings: Sequence[str]) -> tuple[str, str]:
    """Return a request for a command, and the command line that answers it.

    The request names a file for every required positional argument and a run for `--run`.
    """
    goal = command.summary.rstrip(".")
    goal = re.split(r"[;:]| \(|, (?:and|which|with)", goal)[0]
    goal = goal[:1].lower() + goal[1:]
    names = []
    for name in command.required:
        if not name.startswith("--"):
            names.append(f"{random.choice(FILES)}{random.randrange(100)}.{name.lower()[:4]}")
    if "--run" in command.required:
        names.append(f"runs/{random.choice(FILES)}{random.randrange(100)}")
    goal_text = f"{goal} ({', '.join(names)})" if names else goal
    request = random.choice(list(wordings)).format(goal_text)
    return request[:1].upper() + request[1:], draft(request, command)


@cache
def usable() -> tuple[Command, ...]:
    """Return the commands whose drafts fit their signatures: names and files are all they need."""
    return tuple(command for command in known_commands() if _is_valid(command))


def _is_valid(command: Command) -> bool:
    _, line = request_for(command, Random(0), ("{}",))
    try:
        return check_plan(line) == command.name
    except ScionwoodError:
        return False
