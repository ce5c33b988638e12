"""Plans of the commands of this installation: which command answers a request, and is it valid.

Nothing here runs a command.
"""

from __future__ import annotations

import ast
import inspect
import math
import re
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from functools import cache
from io import StringIO
from typing import Any

from scionwood import discovery
from scionwood.command import parse_command
from scionwood.errors import PluginError, ScionwoodError
from scionwood.signatures.source import define

_FILE = re.compile(r"(?<![\w/.-])(?:[\w.~-]*/)*[\w-]+\.[A-Za-z][\w]{0,7}\b|(?:[\w.~-]+/)+[\w.-]*")
_WORD = re.compile(r"[a-z][a-z0-9]+")
UNNAMED = 0.7
"""The factor of a tool's score for each required argument that the request does not name."""

NAMED = 1.5
"""The factor of a tool's score if the request names the command itself."""
PLAIN = 0.4
"""The least share of a request's words that a tool has, unless it names the kind of a file."""

_COMMON_WORDS = (
    "a an and are as at be by can do does for from how i in into is it its me my of on or so that "
    "the their them these this to up want what which with file files command show tell"
)
_COMMON = frozenset(_COMMON_WORDS.split())
_STEMMED = re.compile(r"(ing|ion|ations?|ed|es|s|e|y)$")


@dataclass(frozen=True)
class Tool:
    """A command as a tool: what a plan may name.

    Attributes:
        name: the words after `scionwood`, such as `seismic denoise`.
        reference: `"module:function"`.
        summary: the first sentence of its documentation.
        text: all words that describe it, with those of its parameters.
        required: the required parameters: positional ones as they are, options with dashes.
        optional: the other options, with dashes.

    Example:
        >>> [tool.required for tool in scionwood.tools() if tool.name == "show"]
        [('name',)]
    """

    name: str
    reference: str
    summary: str
    text: str
    required: tuple[str, ...]
    optional: tuple[str, ...]


def tools() -> list[Tool]:
    """Return every command of the core and of the plugins, but `ask`, without importing one.

    Example:
        >>> "fit" in [tool.name for tool in scionwood.tools()]
        True
    """
    from scionwood.cli import FUNCTIONS

    own = [_tool(name, reference) for name, reference in FUNCTIONS.items() if name != "ask"]
    for entry in discovery.plugins():
        for name, reference in (entry.plugin.commands if entry.plugin else {}).items():
            own.append(_tool(f"{entry.name} {name.replace('_', '-')}", reference))
    return [tool for tool in own if tool is not None]


def rank_tools(request: str, among: Sequence[Tool] | None = None) -> list[tuple[float, Tool]]:
    """Return tools by how well their words answer a request, the best first.

    The words of a request are weighted by how few tools have them (BM25). It is the baseline that a
    trained planner must beat.

    Args:
        request: what somebody wants, in English.
        among: the tools; `None` means all.

    Source: Robertson and Zaragoza 2009, with k1 = 1.2 and b = 0.5.

    Example:
        >>> scionwood.rank_tools("sign a run with a key")[0][1].name
        'sign'
    """
    known = list(tools() if among is None else among)
    asked = _stems(_FILE.sub(" ", request)) + _suffixes(request)
    texts = [_weighted(tool) for tool in known]
    average = sum(text.total() for text in texts) / max(1, len(texts))
    spread = Counter(word for text in texts for word in text)
    scored = []
    for tool, text in zip(known, texts, strict=True):
        length = 0.5 + 0.5 * text.total() / average
        terms = (
            math.log(1 + (len(known) - spread[word] + 0.5) / (spread[word] + 0.5))
            * text[word]
            * 2.2
            / (text[word] + 1.2 * length)
            for word in asked
        )
        named = NAMED if set(asked) & set(_stems(tool.name.split()[-1])) else 1.0
        scored.append((sum(terms) * named * UNNAMED ** _unnamed(request, tool), tool))
    return sorted(scored, key=lambda each: (-each[0], each[1].name))


def is_plain(request: str, tool: Tool) -> bool:
    """Return whether a tool has enough of a request's words to be shown as its answer.

    Args:
        request: what somebody wants.
        tool: the tool that ranks first.

    Example:
        >>> [sign] = [tool for tool in scionwood.tools() if tool.name == "sign"]
        >>> is_plain("sign a run", sign), is_plain("paint the fence green", sign)
        (True, False)
    """
    text, words = _weighted(tool), _stems(_FILE.sub(" ", request))
    named = sum(text[word] > 0 for word in words)
    return named >= PLAIN * len(words) or any(text[each] > 0 for each in _suffixes(request))


def draft(request: str, tool: Tool) -> str:
    """Return a command line of a tool, with the files that a request names.

    A required argument that the request does not name stays in capital letters. A number behind the
    name of an option becomes its value.

    Args:
        request: what somebody wants.
        tool: the tool.

    Example:
        >>> [show] = [tool for tool in scionwood.tools() if tool.name == "show"]
        >>> scionwood.draft("explain seismic/denoise", show)
        'scionwood show seismic/denoise'
    """
    places = [match[0] for match in _FILE.finditer(request)]
    words = ["scionwood", *tool.name.split()]
    for name in tool.required:
        value = name.lstrip("-").replace("-", "_").upper()
        if name == "--run":
            value = _run(tool.name, places) or value
        elif places:
            value = places.pop(0)
        words += [name, value] if name.startswith("--") else [value]
    for name in tool.optional:
        plain = re.escape(name.lstrip("-").replace("-", " "))
        if found := re.search(
            rf"\b{plain}(?:\s*=\s*|\s+(?:of|is)\s+|\s+)(-?\d+(?:\.\d+)?)(?![\w.]*\w)", request
        ):
            words += [name, found[1]]
    return shlex.join(words)


def check_plan(line: str) -> Tool:
    """Check a command line against the signature of its command, without running it.

    Args:
        line: the command line, with or without `scionwood`. Files need not exist.

    Returns:
        The tool that it names.

    Raises:
        PluginError: it is not a command line, there is no such command, or an argument is missing,
            unknown or of another type.

    Example:
        >>> scionwood.check_plan("scionwood recipe seismic/denoise").name
        'recipe'
    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise PluginError(line, f"it is not a command line ({error})", "Close quotes") from error
    words = words[1:] if words[:1] == ["scionwood"] else words
    known = {tool.name: tool for tool in tools()}
    tool = known.get(" ".join(words[:2])) or known.get(" ".join(words[:1]))
    if tool is None:
        name = " ".join(words[:2])
        remedy = discovery.did_you_mean(name, known) or "See: scionwood --help"
        raise PluginError(line, "there is no such command", remedy)
    function = discovery.resolve(tool.name, tool.reference)
    said = StringIO()
    try:
        with redirect_stderr(said):
            rest = words[len(tool.name.split()) :]
            parse_command(function, f"scionwood {tool.name}", rest, checked=False)
    except (SystemExit, ScionwoodError) as error:
        told = said.getvalue().strip() or str(error)
        rule = told.splitlines()[-1].rpartition("error: ")[2]
        raise PluginError(line, rule, f"See: scionwood {tool.name} --help") from error
    return tool


def _unnamed(request: str, tool: Tool) -> int:
    # A request names its input and leaves the name of the output open.
    wanted = sum(not name.startswith("--") for name in tool.required)
    return max(0, wanted - 1 - len(_FILE.findall(request)))


@cache
def _tool(name: str, reference: str) -> Tool | None:
    definition = define(reference.replace(":", "."))
    node = None if definition is None else definition.node
    if not isinstance(node, ast.FunctionDef):
        return None
    documentation = inspect.cleandoc(ast.get_docstring(node) or "")
    required: list[str] = []
    optional: list[str] = []
    plain = node.args.posonlyargs + node.args.args
    for argument in plain[: len(plain) - len(node.args.defaults)]:
        required.append(argument.arg)
    for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
        if argument.annotation and "RestWords" in ast.unparse(argument.annotation):
            continue  # the words after the command's own
        option = f"--{argument.arg.replace('_', '-')}"
        (required if default is None else optional).append(option)
    told = documentation.partition("Raises:")[0]
    first = re.split(r"(?<=\.)\s", documentation.partition("\n\n")[0].replace("\n", " "))[0]
    return Tool(name, reference, first, told, tuple(required), tuple(optional))


def _weighted(tool: Tool) -> Counter[str]:
    # The name counts most and the first sentence more than the rest.
    words = Counter(_stems(tool.text))
    for part, weight in ((tool.name, 4), (tool.summary, 4)):
        for word in _stems(part):
            words[word] += weight
    for suffix in _of_plugin(tool.name.partition(" ")[0]):
        words[suffix] += 3
    return words


@cache
def _of_plugin(owner: str) -> tuple[str, ...]:
    """Return the file endings that a plugin reads, from the sources of its readers."""
    plugin = discovery.find(owner).plugin if owner in discovery.entries() else None
    found: set[str] = set()
    for reference in plugin.readers.values() if plugin else ():
        definition = define(reference.replace(":", "."))
        for node in ast.walk(definition.node) if definition else ():
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= set(re.findall(r"^\.\w{2,7}$", node.value.lower()))
    return tuple(sorted(found))


def _suffixes(request: str) -> list[str]:
    endings = (re.search(r"\.\w{1,7}$", match[0]) for match in _FILE.finditer(request.lower()))
    return [ending[0] for ending in endings if ending]


def _stems(text: str) -> list[str]:
    words = _WORD.findall(text.lower().replace("_", " "))
    return [_STEMMED.sub("", word) or word for word in words if word not in _COMMON]


def _run(name: str, places: list[str]) -> str:
    """Return the run that a request names, or the first one that the plugin ships."""
    for place in places:
        if not re.search(r"\.\w{1,7}$", place):
            places.remove(place)
            return place
    return next(_shipped(name.partition(" ")[0]), "")


def _shipped(owner: str) -> Iterator[str]:
    from importlib.resources import files

    plugin: Any = discovery.find(owner).plugin if owner in discovery.entries() else None
    if plugin is not None and plugin.runs:
        folders = sorted(each.name for each in files(plugin.runs).iterdir() if each.is_dir())
        yield from (f"{owner}/{folder}" for folder in folders if not folder.startswith("_"))
