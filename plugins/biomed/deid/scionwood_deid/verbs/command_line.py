"""A command is a function: its signature is the command line, and its docstring is the help."""

from __future__ import annotations

import inspect
import os
import re
import sys
import types
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

from scionwood_sandbox import RuleError, settings
from scionwood_sandbox.errors import visible

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
_ENTRY = re.compile(r"^ {4,8}(\w+): (.*(?:\n {8,}\S.*)*)", re.M)
"""A parameter under `Args:` or a field under `Attributes:`, with the lines that go on."""


def prints(
    show: Callable[..., int | None],
) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """Mark a function as a command whose result is printed.

    Args:
        show: takes the result, prints it, and may return an exit status. Its keyword-only
            parameters are further options of the command line.
    """

    def marked(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        function.show = show  # type: ignore[attr-defined]
        return function

    return marked


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table as plain text, one line a row; control characters are escaped.

    Args:
        columns: the headings.
        rows: one cell for each column.
    """
    lines = [[visible(cell).replace("\n", "; ") for cell in row] for row in (columns, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())


def run(function: Callable[..., Any], name: str, words: Sequence[str]) -> int:
    """Read a command line by the signature of a function, call it, and print its result.

    Files are decoded in a child process behind walls, unless the environment says otherwise.

    Args:
        function: the command.
        name: its name in messages.
        words: the words after the name.

    Returns:
        The exit status: 0, what the function that prints returns, or 2 after an error.
    """
    values = vars(_parser(function, name).parse_args(words))
    show = getattr(function, "show", None)
    chosen = os.environ.get(settings.variable)
    os.environ[settings.variable] = chosen or "service"
    try:
        result = function(**_arguments(function, values))
        status = 0 if show is None else show(result, **_arguments(show, values))
    except RuleError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # as of `| head`
        return 141
    finally:
        if chosen is None:
            del os.environ[settings.variable]
    return status or 0


def _parser(function: Callable[..., Any], name: str) -> ArgumentParser:
    parser = ArgumentParser(prog=name, description=_text(function).partition("\n\nArgs:")[0])
    for owner in (function, getattr(function, "show", None)):
        destinations = {action.dest for action in parser._actions}
        for word, (hint, default, positional) in _words(owner).items():
            if word not in destinations:
                _add(parser, word, hint, default, positional, _helps(function, owner).get(word, ""))
    return parser


def _words(owner: Any) -> dict[str, tuple[Any, Any, bool]]:
    """Return type, default and whether it is positional, of parameters and fields of options."""
    if owner is None:
        return {}
    words: dict[str, tuple[Any, Any, bool]] = {}
    parameters = inspect.signature(owner).parameters
    hints = _hints(owner)
    for name, parameter in parameters.items():
        if name not in hints:  # the result that a function prints
            continue
        if is_dataclass(hints[name]):
            of_field = get_type_hints(hints[name])
            for item in fields(hints[name]):
                words[item.name] = of_field[item.name], getattr(parameter.default, item.name), False
        else:
            positional = parameter.kind is not parameter.KEYWORD_ONLY
            words[name] = hints[name], parameter.default, positional
    return words


def _hints(owner: Any) -> dict[str, Any]:
    """Return the types of the parameters; that of a result may be known to type checkers only."""
    shows = not hasattr(owner, "show") and "result" in inspect.signature(owner).parameters
    left_out = {"return", "result"} if shows else {"return"}
    annotations = {n: hint for n, hint in owner.__annotations__.items() if n not in left_out}
    holder = types.SimpleNamespace(__annotations__=annotations)
    return get_type_hints(holder, owner.__globals__)


def _add(
    parser: ArgumentParser, word: str, hint: Any, default: Any, positional: bool, text: str
) -> None:
    needed = default is inspect.Parameter.empty
    settings_of_word: dict[str, Any] = {"help": text.replace("%", "%%")}
    if not needed:
        settings_of_word["default"] = default
    members = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    kind = next(member for member in members if member is not type(None))
    if kind is bool:
        settings_of_word["action"] = "store_true"
    elif get_origin(kind) is list:
        settings_of_word |= {"nargs": "+", "choices": get_args(get_args(kind)[0])}
    elif get_origin(kind) is Literal:
        settings_of_word["choices"] = get_args(kind)
    else:
        settings_of_word["type"] = kind
    if positional:
        settings_of_word |= {"metavar": word.upper()} | ({} if needed else {"nargs": "?"})
        parser.add_argument(word, **settings_of_word)
        return
    parser.add_argument(f"--{word.replace('_', '-')}", **settings_of_word)


def _arguments(owner: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Return what a function takes of the values, with those of its options gathered."""
    arguments = {}
    for name, hint in _hints(owner).items():
        if is_dataclass(hint) and isinstance(hint, type):
            arguments[name] = hint(**{item.name: values[item.name] for item in fields(hint)})
        else:
            arguments[name] = values[name]
    return arguments


def _helps(*owners: Any) -> dict[str, str]:
    helps: dict[str, str] = {}
    for owner in owners:
        options = [hint for hint in _hints(owner).values() if isinstance(hint, type)]
        classes = [base for hint in options for base in reversed(hint.__mro__)]
        for text in (owner.__doc__, *(base.__doc__ for base in classes if is_dataclass(base))):
            entries = _ENTRY.findall(inspect.cleandoc(text or ""))
            helps |= {name: " ".join(words.split()) for name, words in entries}
    return helps


def _text(function: Callable[..., Any]) -> str:
    return inspect.getdoc(function) or ""
