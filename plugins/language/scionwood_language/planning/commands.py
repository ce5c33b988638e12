"""The commands of this installation, as a plan may name them."""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.resources import files

from scionwood import find
from scionwood.authoring import command_words, commands

_FILE = re.compile(r"(?<![\w/.-])(?:[\w.~-]*/)*[\w-]+\.[A-Za-z][\w]{0,7}\b|(?:[\w.~-]+/)+[\w.-]*")


@dataclass(frozen=True)
class Command:
    """A command: what a plan may name.

    Attributes:
        name: the words after `scionwood`, such as `seismic denoise`.
        summary: the first sentence of its documentation.
        required: the required parameters: positional ones as they are, options with dashes.
        optional: the other options, with dashes.
    """

    name: str
    summary: str
    required: tuple[str, ...]
    optional: tuple[str, ...]


@cache
def known_commands() -> tuple[Command, ...]:
    """Return every command of the core and of the plugins."""
    return tuple(_command(name, reference) for name, reference in commands().items())


def draft(request: str, command: Command) -> str:
    """Return a command line of a command, with the files that a request names.

    A required argument that the request does not name stays in capital letters. A number behind the
    name of an option becomes its value.

    Args:
        request: what somebody wants.
        command: the command.

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
            value = _run(command.name, places) or value
        elif places:
            value = places.pop(0)
        words += [name, value] if name.startswith("--") else [value]
    for name in command.optional:
        plain = re.escape(name.lstrip("-").replace("-", " "))
        number = rf"\b{plain}(?:\s*=\s*|\s+(?:of|is)\s+|\s+)(-?\d+(?:\.\d+)?)(?![\w.]*\w)"
        if match := re.search(number, request):
            words += [name, match[1]]
    return shlex.join(words)


def _command(name: str, reference: str) -> Command:
    module, _, attribute = reference.partition(":")
    function = getattr(import_module(module), attribute)
    required: list[str] = []
    optional: list[str] = []
    for option, word in command_words(function).items():
        needed = word.default is inspect.Parameter.empty
        if word.positional:
            required += [option] if needed else []
        elif word.meaning != "rest":  # the words after the command's own
            (required if needed else optional).append(f"--{option.replace('_', '-')}")
    text = (inspect.getdoc(function) or "").partition("\n\n")[0].replace("\n", " ")
    first = re.split(r"(?<=\.)\s", text)[0]
    return Command(name, first, tuple(required), tuple(optional))


def _run(name: str, places: list[str]) -> str:
    """Return the run that a request names, or the first one that the plugin ships."""
    for place in places:
        if not re.search(r"\.\w{1,7}$", place):
            places.remove(place)
            return place
    return next(_shipped(name.partition(" ")[0]), "")


def _shipped(owner: str) -> Iterator[str]:
    plugin = find(owner).plugin
    if plugin is not None and plugin.runs:
        folders = sorted(entry.name for entry in files(plugin.runs).iterdir() if entry.is_dir())
        yield from (f"{owner}/{folder}" for folder in folders if not folder.startswith("_"))
