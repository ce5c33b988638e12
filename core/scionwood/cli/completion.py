"""Completion of the command line in bash, zsh and fish.

The script of a shell asks `scionwood __complete WORDS` at each press of Tab. Signatures and source
texts give the answer, so no component is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Any, Literal, NamedTuple, get_args, get_origin

from scionwood.cli.command import command_words, meanings
from scionwood.cli.recipes import OVERRIDABLE
from scionwood.cli.scripts import SCRIPTS
from scionwood.errors import ScionwoodError
from scionwood.plugins import discovery
from scionwood.plugins.plugin import KINDS
from scionwood.recipes.recipe_file import locate, read_yaml, recipes, set_dotted, split_override
from scionwood.recipes.recipe_keys import BASELINES, KERNELS, RECOMPUTE, SLOTS, dotted_keys
from scionwood.recipes.signatures.documentation import summary
from scionwood.recipes.signatures.methods import peft_methods
from scionwood.runs.layout import is_finished
from scionwood.runs.shipped import shipped_runs

FILES = ":files"
"""The line that asks the shell to complete names of files too."""


class Candidate(NamedTuple):
    """A word that may stand at the cursor, and what it means."""

    word: str
    meaning: str = ""


def completion(shell: Literal["bash", "zsh", "fish"]) -> None:
    """Print a script that completes commands, recipes, runs, options and keys on Tab.

    For bash, add this line to ~/.bashrc: eval "$(scionwood completion bash)". For zsh, add
    eval "$(scionwood completion zsh)" to ~/.zshrc, behind compinit. For fish, write the script to
    ~/.config/fish/completions/scionwood.fish.

    Args:
        shell: the shell that runs the script.
    """
    print(SCRIPTS[shell], end="")


def print_candidates(words: Sequence[str], functions: Mapping[str, str]) -> None:
    """Print what may stand in the place of the last word, one candidate a line.

    A tab separates a word from its meaning. The line `:files` stands for names of files.

    Args:
        words: the words after `scionwood` up to the cursor; the last one may be empty.
        functions: the commands of the core by name.
    """
    *before, current = words or [""]
    try:
        candidates = list(_candidates(before, current, functions))
    except ScionwoodError:  # a name before the cursor is wrong; running the line will say so
        candidates = []
    for word, meaning in candidates:
        if word == FILES or word.startswith(current):
            print(f"{word}\t{' '.join(meaning.split())}")


def _candidates(
    before: Sequence[str], current: str, functions: Mapping[str, str]
) -> Iterable[Candidate]:
    if not before:
        return _first_words(current, functions)
    first, *rest = before
    if first in functions:
        function = discovery.resolve(first, functions[first])
        return _arguments(function, rest, current, has_keys=first in OVERRIDABLE)
    if not rest:
        return _plugin_commands(first)
    function = discovery.load("commands", f"{first}/{rest[0].replace('-', '_')}")
    return _arguments(function, rest[1:], current, has_keys=False)


def _first_words(current: str, functions: Mapping[str, str]) -> Iterator[Candidate]:
    if current.startswith("-"):
        yield from map(Candidate, ("--help", "--version"))
        return
    for name, reference in functions.items():
        yield Candidate(name, summary(reference) or "")
    yield from _plugins()


def _arguments(
    function: Callable[..., Any], before: Sequence[str], current: str, *, has_keys: bool
) -> Iterable[Candidate]:
    """Complete a word of a command by the command's signature."""
    parameters = command_words(function)
    marks = meanings(function)
    named = {_option(name): name for name, word in parameters.items() if not word.positional}
    options = {option: name for option, name in named.items() if marks.get(name) != "rest"}
    flags = {option for option, name in options.items() if _hint(function, name) is bool}
    given = _positional_words(before, flags)
    last = before[-1] if before else ""
    if last in options.keys() - flags:
        return _values(function, options[last])
    keys = _keys(given[0], before) if has_keys and given else {}
    if last.startswith("--") and "=" not in last and last not in flags:
        return map(Candidate, keys.get(last[2:]) or [FILES])
    if current.startswith("-"):
        own = [Candidate(o, parameters[n].help.partition("\n")[0]) for o, n in options.items()]
        return [*own, Candidate("--help"), *(Candidate(f"--{key}") for key in keys)]
    positional = [name for name, word in parameters.items() if word.positional]
    if len(given) < len(positional):
        return _values(function, positional[len(given)])
    takes_more = positional and get_origin(_hint(function, positional[-1])) is list
    return _values(function, positional[-1]) if takes_more else []


def _positional_words(before: Sequence[str], flags: Collection[str]) -> list[str]:
    """Return the words that are neither options nor their values."""
    words_before, takes_value = [], False
    for word in before:
        if word.startswith("-"):
            takes_value = "=" not in word and word not in flags
        elif takes_value:
            takes_value = False
        else:
            words_before.append(word)
    return words_before


def _values(function: Callable[..., Any], name: str) -> Iterable[Candidate]:
    """Return what a parameter may be: a run, a recipe, a choice, or else a file."""
    hint, meaning = _hint(function, name), meanings(function).get(name, "")
    if meaning in _NAMED:
        return _NAMED[meaning]()
    if choices := _choices(hint):
        return map(Candidate, choices)
    return [] if hint in (int, float) else [Candidate(FILES)]


def _keys(source: str, before: Sequence[str]) -> dict[str, list[str]]:
    """Return the keys of a recipe, each with the values that are known."""
    raw = read_yaml(locate(source)[1])
    raw.pop("smoke", None)
    for word in before:
        if word.startswith("--") and "=" in word:
            set_dotted(raw, *split_override(word))
    values: dict[str, list[str]] = {key: [] for key in dotted_keys(raw)}
    for section, kind in SLOTS.items():
        values[f"{section}.name"] = _components(kind)
    values["adapter.name"] = [*BASELINES, *peft_methods(), *_components("adapters")]
    values["kernels"] = list(KERNELS)
    values["kernels.recompute"] = list(RECOMPUTE)
    return values


def _plugins() -> list[Candidate]:
    entries = discovery.plugins()
    return [Candidate(entry.name, entry.plugin.summary) for entry in entries if entry.plugin]


def _plugin_commands(plugin: str) -> list[Candidate]:
    table = discovery.record(plugin).commands
    return [Candidate(name.replace("_", "-"), summary(ref) or "") for name, ref in table.items()]


def _all_commands() -> list[Candidate]:
    return [
        Candidate(f"{plugin}/{name}", meaning)
        for plugin, _ in _plugins()
        for name, meaning in _plugin_commands(plugin)
    ]


def _recipe_names() -> list[Candidate]:
    names = [f"{plugin}/{name}" for plugin, _ in _plugins() for name in recipes(plugin)]
    return [Candidate(name, "recipe") for name in names]


def _recipes() -> list[Candidate]:
    return [*_recipe_names(), Candidate(FILES)]


def _parts() -> list[Candidate]:
    """Return what `scionwood show` takes: plugins, recipes and components."""
    components = [component for kind in KINDS for component in _components(kind)]
    known = _recipe_names()
    others = sorted({*components} - {word for word, _ in known})
    return [*_plugins(), *known, *map(Candidate, others)]


def _components(kind: str) -> list[str]:
    entries = discovery.plugins()
    return [f"{e.name}/{name}" for e in entries if e.plugin for name in getattr(e.plugin, kind)]


def _runs() -> list[Candidate]:
    shipped = [f"{plugin}/{name}" for plugin, _ in _plugins() for name in shipped_runs(plugin)]
    here = [str(path) for path in sorted(Path("runs").glob("*")) if is_finished(path)]
    known = [*(Candidate(run, "shipped run") for run in shipped), *map(Candidate, here)]
    return [*known, Candidate(FILES)]


_NAMED: Mapping[str, Callable[[], list[Candidate]]] = {
    "run": _runs,
    "recipe": _recipes,
    "plugin": _plugins,
    "command": _all_commands,
    "part": _parts,
}
"""How to complete a parameter by its meaning in the signature; see `recipes.arguments`."""


def _hint(function: Callable[..., Any], name: str) -> Any:
    """Return the type of a parameter without `None`."""
    hint = command_words(function)[name].hint
    rest = [part for part in get_args(hint) if part is not NoneType]
    return rest[0] if NoneType in get_args(hint) and len(rest) == 1 else hint


def _choices(hint: Any) -> list[str]:
    if get_origin(hint) is Literal:
        return [str(value) for value in get_args(hint)]
    return [choice for part in get_args(hint) for choice in _choices(part)]


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
