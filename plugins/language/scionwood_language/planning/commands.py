"""The commands of this installation, as a plan may name them."""

from __future__ import annotations

import inspect
import re
import shlex
from dataclasses import dataclass
from functools import cache
from importlib import import_module

from scionwood.authoring import command_words, commands

_FILE = re.compile(r"(?<![\w/.-])(?:[\w.~-]*/)*[\w-]+\.[A-Za-z][\w]{0,7}\b|(?:[\w.~-]+/)+[\w.-]*")


@dataclass(frozen=True)
class Command:
    """A command: what a plan may name.

    Attributes:
        name: the words after `scionwood`, such as `seismic denoise`.
        summary: the first sentence of its documentation.
        required: the required parameters: positional ones as they are, options with dashes.
    """

    name: str
    summary: str
    required: tuple[str, ...]


@cache
def known_commands() -> tuple[Command, ...]:
    """Return every command of the core and of the plugins."""
    return tuple(_command(name, reference) for name, reference in commands().items())


def draft(request: str, command: Command) -> str:
    """Return a command line of a command, with the files that a request names.

    A required argument that the request does not name stays in capital letters.

    Example:
        >>> from scionwood_language.planning.commands import draft, known_commands
        >>> [show] = [each for each in known_commands() if each.name == "show"]
        >>> draft("explain seismic/denoise", show)
        'scionwood show seismic/denoise'
    """
    places = [match[0] for match in _FILE.finditer(request)]
    words = ["scionwood", *command.name.split()]
    for name in command.required:
        value = name.lstrip("-").replace("-", "_").upper()
        if name == "--run":
            folders = [place for place in places if not re.search(r"\.\w{1,7}$", place)]
            value = folders[0] if folders else value
            places = [place for place in places if place != value]
        elif places:
            value = places.pop(0)
        words += [name, value] if name.startswith("--") else [value]
    return shlex.join(words)


def _command(name: str, reference: str) -> Command:
    module, _, attribute = reference.partition(":")
    function = getattr(import_module(module), attribute)
    required = []
    for option, word in command_words(function).items():
        # `rest` are the words after the command's own
        if word.default is inspect.Parameter.empty and (word.positional or word.meaning != "rest"):
            required.append(option if word.positional else f"--{option.replace('_', '-')}")
    text = (inspect.getdoc(function) or "").partition("\n\n")[0].replace("\n", " ")
    return Command(name, re.split(r"(?<=\.)\s", text)[0], tuple(required))
