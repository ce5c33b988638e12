"""Former spellings of options: a renamed option works for one version and says its new name."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from inspect import signature
from typing import Any, TypeVar

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
    """

    def remember(function: _Function) -> _Function:
        names = signature(function).parameters
        for old, new in spellings.items():
            if new not in names or old in names:
                rule = f"{new!r} must be a parameter of {function.__name__}, and {old!r} must not"
                raise ValueError(f"renamed({old}={new!r}): {rule}. Correct the names")
        vars(function)[_ATTRIBUTE] = dict(spellings)
        return function

    return remember


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
