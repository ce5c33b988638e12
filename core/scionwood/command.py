"""A command is a function: its signature is the command line, and its docstring is the help."""

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
from typing import Any, get_args, get_origin, get_type_hints

from scionwood import discovery
from scionwood.arguments import STDIN, Mark
from scionwood.errors import PluginError, ReadError, ScionwoodError
from scionwood.files import check_target


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

    from scionwood.recipe import instances, strict_parser

    doc = parse(inspect.getdoc(function) or "")
    helps = {item.arg_name: item.description or "" for item in doc.params}
    settings = {"description": doc.description, "formatter_class": HelpFormatter}
    parser = strict_parser(function, prog=prog, **settings)
    parameters = inspect.signature(function).parameters
    hints = get_type_hints(function)
    positional = {p.name for p in parameters.values() if p.kind is not p.KEYWORD_ONLY}
    argv, rest = _without_rest(function, argv)
    words = _joined_lists(argv, {n: hint for n, hint in hints.items() if n not in positional})
    for name, parameter in parameters.items():
        if name in rest:
            continue
        kind = _argument(hints[name], parameter.default, helps.get(name, ""))
        if name in positional:
            parser.add_argument(name, **_positional(hints[name], parameter.default, kind))
            continue
        needed = parameter.default is parameter.empty
        parser.add_argument(f"--{name.replace('_', '-')}", required=needed, **kind)
    _refuse_unknown_options(parser, words, parameters)
    arguments = instances(parser, parser.parse_args(words)) | rest
    return _checked(function, arguments) if checked else arguments


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
        >>> scionwood.check_plan("scionwood recipe seismic/denoise")
        'recipe'
    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise PluginError(line, f"it is not a command line ({error})", "Close quotes") from error
    words = words[1:] if words[:1] == ["scionwood"] else words
    table = discovery.commands()
    name = next((each for n in (2, 1) if (each := " ".join(words[:n])) in table), "")
    if not name:
        near = discovery.did_you_mean(" ".join(words[:2]), table)
        raise PluginError(line, "there is no such command", near or "See: scionwood --help")
    function = discovery.resolve(name, table[name])
    said = StringIO()
    try:
        with redirect_stderr(said):
            parse_command(function, f"scionwood {name}", words[len(name.split()) :], checked=False)
    except (SystemExit, ScionwoodError) as error:
        last = (said.getvalue().strip() or str(error)).splitlines()[-1]
        rule = last.rpartition("error: ")[2]
        raise PluginError(line, rule, f"See: scionwood {name} --help") from error
    return name


def _joined_lists(words: Sequence[str], hints: Mapping[str, Any]) -> list[str]:
    """Join the words after an option that is a list, `--fields a b`, to `--fields=["a", "b"]`."""
    kept: list[str] = []
    queue = list(words)
    while queue and queue[0] != "--":
        kept.append(queue.pop(0))
        item = _item(hints.get(kept[-1].removeprefix("--").replace("-", "_")))
        if item is None or not kept[-1].startswith("--"):
            continue
        own = list(takewhile(lambda word: not re.match(r"-(?!\d)", word), queue))
        if own and not own[0].startswith("["):
            quoted = own if item in (int, float) else [json.dumps(word) for word in own]
            kept[-1] += f"=[{', '.join(quoted)}]"
            del queue[: len(own)]
    return kept + queue


def _item(hint: Any) -> Any:
    """Return the type of the items if a hint is a list, also one that may be None."""
    found = [each for each in (hint, *get_args(hint)) if get_origin(each) is list]
    return get_args(found[0])[0] if found else None


def _without_rest(
    function: Callable[..., Any], argv: Sequence[str]
) -> tuple[Sequence[str], dict[str, list[str]]]:
    """Split off the words after `--`, if a parameter (`RestWords`) takes them."""
    takers = [name for name, meaning in meanings(function).items() if meaning == "rest"]
    if not takers:
        return argv, {}
    at = argv.index("--") if "--" in argv else len(argv)
    return argv[:at], {takers[0]: list(argv[at + 1 :])}


def meanings(function: Callable[..., Any]) -> dict[str, str]:
    """Return the parameters that have a meaning, such as `input`, `output`, `run` or `rest`."""
    hints = get_type_hints(function, include_extras=True)
    marks = {name: _mark(hint) for name, hint in hints.items()}
    return {name: mark.meaning for name, mark in marks.items() if mark}


def _mark(hint: Any) -> Mark | None:
    # `InputPath | None` and `list[InputPath]` hold the mark inside.
    own = next((item for item in getattr(hint, "__metadata__", ()) if isinstance(item, Mark)), None)
    return own or next(filter(None, map(_mark, get_args(hint))), None)


def _checked(function: Callable[..., Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """Check paths and find runs, before the command imports anything heavy."""
    from scionwood.runs.reference import find_run

    may_exist = bool(arguments.get("force") or arguments.get("resume"))
    for name, meaning in meanings(function).items():
        value = arguments.get(name)
        for path in value if isinstance(value, list) else [] if value is None else [value]:
            if meaning == "input" and str(path) != STDIN and not Path(path).exists():
                raise ReadError(str(path), "there is no such file", "Check the path")
            if meaning == "output":
                check_target(path, may_exist or "force" not in arguments)
            if meaning == "run":
                arguments[name] = find_run(path)
    return arguments


def _refuse_unknown_options(parser: Any, words: Sequence[str], names: Iterable[str]) -> None:
    from scionwood.discovery import did_you_mean

    known = ["--help", *(f"--{name.replace('_', '-')}" for name in names)]
    for word in takewhile(lambda word: word != "--", words):
        option = re.match(r"--[^=.+]*", word)  # the parser also takes --option.key and --option+
        if option and option[0] not in known:
            remedy = did_you_mean(option[0], known) or f"Known: {', '.join(known)}"
            parser.error(f"unrecognized option {option[0]}. {remedy}")


def _argument(hint: Any, default: Any, text: str) -> dict[str, Any]:
    text = text.replace("%", "%%")  # argparse formats its help with %
    if hint is bool:
        return {"action": "store_true", "help": text}
    if default is inspect.Parameter.empty:
        return {"type": hint, "help": text}
    told = "" if default is None else f" (default: {default})".replace("%", "%%")
    return {"type": hint, "default": default, "help": text + told}


def _positional(hint: Any, default: Any, kind: dict[str, Any]) -> dict[str, Any]:
    optional = default is not inspect.Parameter.empty
    if get_origin(hint) is list:
        return kind | {"type": get_args(hint)[0], "nargs": "*" if optional else "+"}
    return kind | ({"nargs": "?"} if optional else {})
