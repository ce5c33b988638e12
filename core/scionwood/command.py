"""A command is a function: its signature is the command line, and its docstring is the help."""

from __future__ import annotations

import inspect
import json
import re
import shlex
import sys
from argparse import HelpFormatter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import redirect_stderr
from io import StringIO
from itertools import takewhile
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from scionwood import discovery
from scionwood.arguments import STDIN, Mark
from scionwood.errors import PluginError, ReadError, ScionwoodError
from scionwood.files import check_target

_Function = TypeVar("_Function", bound=Callable[..., Any])
_ATTRIBUTE = "__scionwood_renamed__"


def renamed(**spellings: str) -> Callable[[_Function], _Function]:
    """Keep the former options of a command for one version.

    On the command line a former option is read as the parameter that replaces it, and a warning
    on stderr gives the new spelling. The Python function has the new parameter alone.

        @renamed(adapter="run", as_json="json", out="target")
        def denoise(noisy: Path, target: Path, *, run: Path, json: bool = False) -> None:

    Args:
        spellings: the name of the present parameter by the name of the former option.

    Raises:
        ValueError: a new name is not a parameter of the function, or a former name still is.

    Example:
        >>> @scionwood.renamed(out="target")
        ... def copy(source: str, target: str) -> None:
        ...     "Copy a file."
        >>> copy.__name__
        'copy'
    """

    def remember(function: _Function) -> _Function:
        names = inspect.signature(function).parameters
        for old, new in spellings.items():
            if new not in names or old in names:
                rule = f"{new!r} must be a parameter of {function.__name__}, and {old!r} must not"
                raise ValueError(f"renamed({old}={new!r}): {rule}. Correct the names")
        vars(function)[_ATTRIBUTE] = dict(spellings)
        return function

    return remember


def parse_command(
    function: Callable[..., Any], prog: str, argv: Sequence[str], *, checked: bool = True
) -> dict[str, Any]:
    """Read a command line by the signature of a function.

    Positional parameters are positional arguments, and keyword-only parameters are options. A
    positional parameter may have a default. A list, positional or option, takes one or more words;
    an option also takes `[a, b]`. Former options (`renamed`) are read under their new names.

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
    words, given = modernise(argv, former_spellings(function), positional=positional, prog=prog)
    words = _joined_lists(words, {n: hint for n, hint in hints.items() if n not in positional})
    for name, parameter in parameters.items():
        if name in rest:
            continue
        kind = _argument(hints[name], parameter.default, helps.get(name, ""))
        if name in positional - given.keys():
            parser.add_argument(name, **_positional(hints[name], parameter.default, kind))
            continue
        needed = parameter.default is parameter.empty
        parser.add_argument(f"--{name.replace('_', '-')}", required=needed, **kind)
        if name in given:
            words = [f"--{name.replace('_', '-')}={given[name]}", *words]
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


def former_spellings(function: Callable[..., Any]) -> Mapping[str, str]:
    """Return the present parameter by former option, as `renamed` stored them."""
    spellings: Mapping[str, str] = vars(function).get(_ATTRIBUTE, {})
    return spellings


def modernise(
    words: Sequence[str],
    spellings: Mapping[str, str],
    *,
    positional: Collection[str] = (),
    prog: str = "scionwood",
) -> tuple[list[str], dict[str, str]]:
    """Replace former options in a command line, with one warning on stderr for each.

    Args:
        words: the command line. Words after `--` stay as they are.
        spellings: the present parameter by former option, both with underscores.
        positional: the present parameters that are positional.
        prog: the command, which the warning names.

    Returns:
        The words with present options, and the values of positional parameters by parameter. An
        option whose value was left out stays among the words, where it is an error.
    """
    kept: list[str] = []
    given: dict[str, str] = {}
    warned: set[str] = set()
    queue = list(words)
    while queue:
        word = queue.pop(0)
        if word == "--":
            return [*kept, word, *queue], given
        option, equals, value = word.partition("=")
        old = option.removeprefix("--").replace("-", "_")
        if not option.startswith("--") or old not in spellings:
            kept.append(word)
            continue
        new = spellings[old]
        if option not in warned:
            _warn(prog, option, new, new in positional)
            warned.add(option)
        if new not in positional:
            kept.append(f"--{new.replace('_', '-')}{equals}{value}")
        elif equals or queue:
            given[new] = value if equals else queue.pop(0)
        else:
            kept.append(word)
    return kept, given


def _warn(prog: str, option: str, new: str, is_positional: bool) -> None:
    now = f"the positional argument {new}" if is_positional else f"--{new.replace('_', '-')}"
    text = f"{prog}: {option} is now {now}. The old spelling works in this version only"
    print(text, file=sys.stderr)
