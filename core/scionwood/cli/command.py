"""A command is a function: its signature is the command line, and its docstring is the help.

A parameter whose type is a dataclass stands for the fields of it: each field is an option, and
the function gets an instance. So the options of a verb are declared once, for Python, for the
command line and for a service.

A command returns its result. `prints` names the function that prints it; the options of that
function, such as `json`, are options of the command line too, and Python callers do not see them.
"""

from __future__ import annotations

import inspect
import json
import re
import shlex
from argparse import HelpFormatter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import redirect_stderr
from io import StringIO
from itertools import takewhile
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, get_args, get_origin

from scionwood.cli.words import Word, command_words, with_options_classes
from scionwood.errors import PluginError, ReadError, ScionwoodError
from scionwood.plugins import discovery
from scionwood.recipes.arguments import STDIN
from scionwood_sandbox.files import check_target

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Verb = Callable[Parameters, Result]


def prints(
    show: Callable[..., int | None],
) -> Callable[[Verb[Parameters, Result]], Verb[Parameters, Result]]:
    """Mark a function as a command whose result the command line prints.

    Args:
        show: takes the result, prints it, and may return an exit code. Its keyword-only parameters
            are further options of the command line.

    Example:
        >>> def show(total: int, *, json: bool = False) -> None:
        ...     print([total] if json else total)
        >>> @authoring.prints(show)
        ... def add(first: int, second: int) -> int:
        ...     return first + second
        >>> add(1, 2)
        3
    """

    def marked(verb: Verb[Parameters, Result]) -> Verb[Parameters, Result]:
        verb.show = show  # type: ignore[attr-defined]
        return verb

    return marked


def run_command(function: Callable[..., Any], arguments: Mapping[str, Any]) -> int:
    """Call a command, print its result as `prints` says, and return the exit code."""

    def call(verb: Callable[..., Any], *result: Any) -> Any:
        names = list(inspect.signature(verb).parameters)[len(result) :]
        return verb(*result, **{name: arguments[name] for name in names if name in arguments})

    result = call(function)
    if (show := getattr(function, "show", None)) is not None:
        result = call(show, result)
    return result if type(result) is int else 0  # a bool is no exit code


def parse_command(
    function: Callable[..., Any], prog: str, argv: Sequence[str], *, checked: bool = True
) -> dict[str, Any]:
    """Read a command line by the signature of a function.

    Positional parameters are positional arguments, and keyword-only parameters are options. A
    positional parameter may have a default. A list, positional or option, takes one or more words;
    an option also takes `[a, b]`.

    Args:
        function: the command.
        prog: the name of the command in messages.
        argv: the words after the name of the command.
        checked: check that inputs and runs exist and that outputs do not.

    Returns:
        The arguments by name. Help and usage errors exit as argparse does, with 0 and 2.
    """
    from docstring_parser import parse

    from scionwood.recipes.recipe import instances, strict_parser

    description = parse(inspect.getdoc(function) or "").description
    settings: dict[str, Any] = {"description": description, "formatter_class": HelpFormatter}
    parser = strict_parser(function, prog=prog, **settings)
    words = command_words(function)
    argv, after_dashes = _without_rest(words, argv)
    argv = _joined_lists(argv, {n: word.hint for n, word in words.items() if not word.positional})
    for name, word in words.items():
        if name not in after_dashes:
            label = name if word.positional else f"--{name.replace('_', '-')}"
            parser.add_argument(label, **_settings(word))
    _refuse_unknown_options(parser, argv, words)
    arguments = instances(parser, parser.parse_args(argv)) | after_dashes
    if checked:
        arguments = _checked(words, arguments)
    return with_options_classes(function, arguments)


def check_plan(line: str) -> str:
    """Check a command line against the signature of its command, without running it.

    Args:
        line: the command line, with or without `scionwood`. Files need not exist.

    Returns:
        The words of the command, such as `seismic denoise`.

    Raises:
        PluginError: it is not a command line, there is no such command, or an argument is missing,
            unknown or of another type.

    Example:
        >>> authoring.check_plan("scionwood recipe seismic/denoise")
        'recipe'
    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise PluginError(line, f"it is not a command line ({error})", "Close quotes") from error
    words = words[1:] if words[:1] == ["scionwood"] else words
    table = discovery.commands()
    name = next((candidate for n in (2, 1) if (candidate := " ".join(words[:n])) in table), "")
    if not name:
        near = discovery.did_you_mean(" ".join(words[:2]), table)
        raise PluginError(line, "there is no such command", near or "See: scionwood --help")
    function = discovery.resolve(name, table[name])
    stderr = StringIO()
    try:
        with redirect_stderr(stderr):
            parse_command(function, f"scionwood {name}", words[len(name.split()) :], checked=False)
    except (SystemExit, ScionwoodError) as error:
        last = (stderr.getvalue().strip() or str(error)).splitlines()[-1]
        rule = last.rpartition("error: ")[2]
        raise PluginError(line, rule, f"See: scionwood {name} --help") from error
    return name


def _joined_lists(words: Sequence[str], hints: Mapping[str, Any]) -> list[str]:
    """Join the words after an option that is a list, `--fields a b`, to `--fields=["a", "b"]`."""
    joined_words: list[str] = []
    queue = list(words)
    while queue and queue[0] != "--":
        joined_words.append(queue.pop(0))
        item = _item(hints.get(joined_words[-1].removeprefix("--").replace("-", "_")))
        if item is None or not joined_words[-1].startswith("--"):
            continue
        operands = list(takewhile(lambda word: not re.match(r"-(?!\d)", word), queue))
        if operands and not operands[0].startswith("["):
            quoted = operands if item in (int, float) else [json.dumps(word) for word in operands]
            joined_words[-1] += f"=[{', '.join(quoted)}]"
            del queue[: len(operands)]
    return joined_words + queue


def _item(hint: Any) -> Any:
    """Return the type of the items if a hint is a list, also one that may be None."""
    hints = (hint, *get_args(hint))
    return next((get_args(kind)[0] for kind in hints if get_origin(kind) is list), None)


def _without_rest(
    words: Mapping[str, Word], argv: Sequence[str]
) -> tuple[Sequence[str], dict[str, list[str]]]:
    """Split off the words after `--`, if a parameter (`RestWords`) takes them."""
    takers = [name for name, word in words.items() if word.meaning == "rest"]
    if not takers:
        return argv, {}
    at = argv.index("--") if "--" in argv else len(argv)
    return argv[:at], {takers[0]: list(argv[at + 1 :])}


def _checked(words: Mapping[str, Word], arguments: dict[str, Any]) -> dict[str, Any]:
    """Check paths and find runs, before the command imports anything heavy."""
    from scionwood.runs.reference import find_run

    may_exist = bool(arguments.get("force") or arguments.get("resume"))
    for name, word in words.items():
        meaning, value = word.meaning, arguments.get(name)
        for path in value if isinstance(value, list) else [] if value is None else [value]:
            if meaning == "input" and str(path) != STDIN and not Path(path).exists():
                raise ReadError(str(path), "there is no such file", "Check the path")
            if meaning == "output":
                check_target(path, may_exist or "force" not in arguments)
            if meaning == "run":
                arguments[name] = find_run(path)
    return arguments


def _refuse_unknown_options(parser: Any, words: Sequence[str], names: Iterable[str]) -> None:
    options = ["--help", *(f"--{name.replace('_', '-')}" for name in names)]
    for word in takewhile(lambda word: word != "--", words):
        option = re.match(r"--[^=.+]*", word)  # the parser also takes --option.key and --option+
        if option and option[0] not in options:
            remedy = discovery.did_you_mean(option[0], options) or f"Known: {', '.join(options)}"
            parser.error(f"unrecognized option {option[0]}. {remedy}")


def _settings(word: Word) -> dict[str, Any]:
    """Return what argparse is told of a word."""
    settings: dict[str, Any] = {"help": word.help.replace("%", "%%")}  # it formats its help with %
    if word.hint is bool:
        return settings | {"action": "store_true"}
    settings["type"] = word.hint
    needed = word.default is inspect.Parameter.empty
    if not needed:
        settings["default"] = word.default
    if not needed and word.default is not None:
        settings["help"] += f" (default: {word.default})".replace("%", "%%")
    if not word.positional:
        return settings | {"required": needed}
    if get_origin(word.hint) is list:
        return settings | {"type": get_args(word.hint)[0], "nargs": "+" if needed else "*"}
    return settings if needed else settings | {"nargs": "?"}
