"""Completion of the command line in bash, zsh and fish, by a script that shtab writes."""

from __future__ import annotations

import inspect
import sys
from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Callable, Iterable
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import shtab

from scionwood.cli.words import command_words
from scionwood.errors import ScionwoodError
from scionwood.plugins import discovery
from scionwood.plugins.plugin import KINDS
from scionwood.recipes.recipe_file import recipes
from scionwood.runs.shipped import all_shipped


def completion(shell: Literal["bash", "zsh", "fish"]) -> None:
    """Print a script that completes commands, recipes, runs, options and files on Tab.

    For bash, add this line to ~/.bashrc: eval "$(scionwood completion bash)". For zsh, add
    eval "$(scionwood completion zsh)" to ~/.zshrc, behind compinit. For fish, write the script to
    ~/.config/fish/completions/scionwood.fish, and again after a plugin is installed.

    Args:
        shell: the shell that runs the script.
    """
    parser = ArgumentParser("scionwood")
    parser.add_argument("--version", action="store_true", help="print the versions")
    names = _names()
    commands = parser.add_subparsers(dest="command")
    for name, reference in discovery.verbs().items():
        _add_command(commands, name, discovery.resolve(name, reference), names)
    for entry in discovery.plugins():
        if entry.plugin is None:
            continue
        plugin = commands.add_parser(entry.name, help=_text(entry.plugin.summary))
        plugin_commands = plugin.add_subparsers(dest="plugin_command")
        for name in entry.plugin.commands:
            try:
                function = discovery.load("commands", f"{entry.name}/{name}")
            except ScionwoodError as error:  # a broken command hides no other one
                print(error, file=sys.stderr)
                continue
            _add_command(plugin_commands, name.replace("_", "-"), function, names)
    print(shtab.complete(parser, shell))


def _add_command(
    commands: _SubParsersAction[ArgumentParser],
    name: str,
    function: Callable[..., Any],
    names: dict[str, Any],
) -> None:
    summary = (inspect.getdoc(function) or "").partition("\n")[0]
    parser = commands.add_parser(name, help=_text(summary))
    for word_name, word in command_words(function).items():
        kinds = _kinds(word.hint)
        if word.meaning == "rest":
            continue
        settings: dict[str, Any] = {"help": _text(word.help.partition("\n")[0] or word_name)}
        choices = [str(c) for kind in kinds if get_origin(kind) is Literal for c in get_args(kind)]
        if kinds == [bool]:
            settings["action"] = "store_true"
        elif choices:
            settings["choices"] = choices
        if any(get_origin(kind) is list for kind in kinds):
            settings["nargs"] = "*"
        label = word_name if word.positional else f"--{word_name.replace('_', '-')}"
        action = parser.add_argument(label, **settings)
        if kinds != [bool] and not choices and not {int, float} & set(kinds):
            action.complete = names.get(word.meaning, shtab.FILE)  # type: ignore[attr-defined]


def _kinds(hint: Any) -> list[Any]:
    """Return the types that a union joins, without `None`."""
    if get_origin(hint) in (None, list, Literal):
        return [] if hint is NoneType else [hint]
    return [kind for part in get_args(hint) for kind in _kinds(part)]


def _names() -> dict[str, Any]:
    """Return how to complete a parameter by its meaning in the signature."""
    plugins = [entry.name for entry in discovery.plugins() if entry.plugin]
    recipe_names = [f"{plugin}/{name}" for plugin in plugins for name in recipes(plugin)]
    components = {name for kind in KINDS for name in discovery.names_of(kind)}
    commands = [name.replace("_", "-") for name in discovery.names_of("commands")]
    return {
        "run": _words("run", all_shipped(), files=True),
        "recipe": _words("recipe", recipe_names, files=True),
        "plugin": _words("plugin", plugins),
        "command": _words("command", commands),
        "part": _words("part", [*plugins, *recipe_names, *sorted(components - {*recipe_names})]),
    }


def _words(meaning: str, words: Iterable[str], *, files: bool = False) -> dict[str, Any]:
    """Return a completer of shtab for words that are known now, and for files if they may be."""
    text = " ".join(words)
    # shtab adds the slash of a folder in bash only for functions with `_file` in their names.
    name = f"_scionwood_{meaning}" + ("_or_file" if files else "")
    bash = f'{name}() {{ compgen -W "{text}" -- "$1"; {files * "compgen -f -- $1;"} }}'
    zsh = f"{name}() {{ compadd -- {text}; {files * '_files;'} }}"
    fish = f"{text} (__fish_complete_path (commandline -ct))" if files else text
    preamble = {"bash": bash, "zsh": zsh}
    return {"bash": name, "zsh": name, "fish": fish, "preamble": preamble}


def _text(text: str) -> str:
    return text.replace("%", "%%")  # argparse formats its help with %
