"""The command line: `scionwood COMMAND` and `scionwood PLUGIN COMMAND`.

Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import select
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from scionwood import __version__, discovery
from scionwood.command import modernise, parse_command
from scionwood.errors import PluginError, RecipeError, ScionwoodError
from scionwood.terminal import print_status, print_table

if TYPE_CHECKING:
    from scionwood.testing import Outcome

EPILOG = """\
scionwood PLUGIN                 the commands of a plugin; `scionwood plugins` names the plugins
scionwood PLUGIN COMMAND --help  what a command takes
"""

CLOSED_PIPE = 141
"""The exit code if nobody reads the output any more: 128 + SIGPIPE, as shells report it."""

FUNCTIONS: dict[str, str] = {
    "map": "scionwood.cli.many:map_files",
    "push": "scionwood.cli.share:push",
    "pull": "scionwood.cli.share:pull",
    "runs": "scionwood.cli.share:runs",
}
"""Commands of the core whose signature is their command line, as `"module:function"`."""

_FORMER = {"fit": {"run_dir": "run"}, "new": {"into": "folder"}}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line.

    Args:
        argv: the words after `scionwood`; by default those of this process.

    Returns:
        The exit code: 0 done, 1 a check failed, 2 an error that the message explains, 130 Ctrl-C,
        141 the reader of the output has gone (`scionwood show NAME | head`).
    """
    try:
        try:
            return _run(list(sys.argv[1:] if argv is None else argv))
        finally:
            sys.stdout.flush()  # now, so that a closed pipe does not show at the process's end
    except BrokenPipeError:
        if not _stdout_has_no_reader():
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE


def _run(words: list[str]) -> int:
    try:
        if words and not words[0].startswith("-") and words[0] not in {*_COMMANDS, *FUNCTIONS}:
            return _plugin_command(*words)
        if words and words[0] in FUNCTIONS:
            function = discovery.resolve(words[0], FUNCTIONS[words[0]])
            function(**parse_command(function, f"scionwood {words[0]}", words[1:]))
            return 0
        words = _present(words)
        parsed, rest = _parser().parse_known_args(words)
        _refuse_unknown_options(parsed, rest)
        return int(_COMMANDS[parsed.command](parsed, rest))
    except ScionwoodError as error:
        print(f"scionwood: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("scionwood: interrupted", file=sys.stderr)
        return 130


def _stdout_has_no_reader() -> bool:
    # Another broken pipe, such as that of a worker process, is an error like any other.
    if not hasattr(select, "poll"):  # on Windows the two cannot be told apart
        return True
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _present(words: list[str]) -> list[str]:
    if not words or words[0] not in _FORMER:
        return words
    kept, given = modernise(
        words, _FORMER[words[0]], positional={"folder"}, prog=f"scionwood {words[0]}"
    )
    return [*kept, *given.values()]


def _refuse_unknown_options(parsed: argparse.Namespace, rest: list[str]) -> None:
    if not rest:
        return
    known = re.findall(r"--[\w-]+", parsed.parser.format_help())
    if not parsed.overrides:
        near = discovery.did_you_mean(rest[0], known)
        parsed.parser.error(f"unrecognized arguments: {' '.join(rest)}. {near}".strip())
    from scionwood.recipe_keys import TOP

    for word in rest:
        option = word.partition("=")[0]
        if option.startswith("--") and "." not in option and option[2:] not in TOP:
            near = discovery.did_you_mean(option, [*known, *(f"--{key}" for key in TOP)])
            rule = "neither an option nor a key of a recipe"
            raise RecipeError(f"unknown option {option!r}", rule, near or "See: --help")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "scionwood",
        description="Parameter-efficient adapters for scientific foundation models.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"scionwood {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, text: str, overrides: bool = False) -> argparse.ArgumentParser:
        usage = f"scionwood {name} ... [--task.lr 3e-4 ...]" if overrides else None
        command = commands.add_parser(name, help=text, description=text, usage=usage)
        command.set_defaults(overrides=overrides, parser=command)
        return command

    command = add("plugins", "list the plugins and what each brings")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.add_argument("--doctor", action="store_true", help="import every component by itself")
    command = add("show", "print what a plugin or a component takes, with its documentation")
    command.add_argument("name", help="seismic, or seismic/denoise")
    command = add("recipe", "print a recipe with every default", overrides=True)
    command.add_argument("name", help="seismic/denoise, or a .yaml file")
    command.add_argument("--source", action="store_true", help="print the file with its comments")
    command = add("fit", "train with a recipe; every key can be overridden", overrides=True)
    command.add_argument("recipe", nargs="?", help="seismic/denoise, or a .yaml file")
    command.add_argument("--run", type=Path, help="the run folder (default: runs/NAME-TIME)")
    command.add_argument("--resume", type=Path, metavar="RUN", help="continue a run that stopped")
    command.add_argument("--smoke", action="store_true", help="a few steps at the smallest size")
    command = add("test", "measure a finished run on the test split")
    command.add_argument("run", type=Path, help="the run folder")
    command = add("check", "run the conformance kit on a plugin")
    command.add_argument("plugin", help="its name")
    command = add("new", "write a plugin that passes its checks")
    command.add_argument("name", help="lower case, as in hydrology")
    command.add_argument(
        "folder", nargs="?", type=Path, default=Path(), help="where to write (default: here)"
    )
    return parser


def _plugins(arguments: argparse.Namespace, _: list[str]) -> int:
    from scionwood.show import overview
    from scionwood.survey import survey

    if arguments.doctor:
        return _doctor()
    entries = survey()
    if arguments.json:
        print(json.dumps([asdict(entry) for entry in entries], indent=2))
        return 0
    print_table(("plugin", "version", "what it brings"), map(overview, entries))
    installed = {entry.name for entry in entries}
    if missing := [name for name in discovery.extras() if name not in installed]:
        print(f"not installed: {', '.join(missing)}. Try: pip install 'scionwood[{missing[0]}]'")
    return 0


def _doctor() -> int:
    from scionwood.survey import doctor

    diagnoses = doctor()
    for diagnosis in diagnoses:
        verdict = "; ".join(diagnosis.faults) or "every component can be imported"
        print_status(not diagnosis.faults, f"{diagnosis.name:12} {verdict}")
    return int(any(diagnosis.faults for diagnosis in diagnoses))


def _show(arguments: argparse.Namespace, _: list[str]) -> int:
    from scionwood.show import describe

    print(describe(arguments.name))
    return 0


def _recipe(arguments: argparse.Namespace, overrides: list[str]) -> int:
    from scionwood import recipe, recipe_file

    if arguments.source:
        print(recipe_file.locate(arguments.name)[1].read_text("utf-8"), end="")
    else:
        print(recipe.resolve(arguments.name, _joined(overrides)).dump(), end="")
    return 0


def _fit(arguments: argparse.Namespace, overrides: list[str]) -> int:
    from scionwood.recipe import resolve

    source, name = arguments.recipe, None
    if arguments.resume:
        if source:
            raise RecipeError("--resume", "a run carries its own recipe", "Name one of the two")
        source, name = arguments.resume / "recipe.yaml", arguments.resume
    if not source:
        raise RecipeError("fit", "needs a recipe, or --resume RUN", "See: scionwood plugins")
    recipe = resolve(source, _joined(overrides), smoke=arguments.smoke)
    from scionwood.training import fit

    print(fit(recipe, run_dir=arguments.run, resume=name))
    return 0


def _test(arguments: argparse.Namespace, _: list[str]) -> int:
    from scionwood.training import test

    print_table(("metric", "value"), list(test(arguments.run).items()), numeric=("value",))
    return 0


def _check(arguments: argparse.Namespace, _: list[str]) -> int:
    from scionwood.testing import run_checks

    def report(outcome: Outcome) -> None:
        state = {"passed": True, "failed": False, "nothing": None}[outcome.status]
        reason = outcome.reason.replace("\n", "\n  ")
        print_status(state, f"{outcome.check:38} {outcome.seconds:6.1f} s  {reason}".rstrip())

    outcomes = run_checks(discovery.record(arguments.plugin), report)
    failed = sum(outcome.failed for outcome in outcomes)
    print(f"{len(outcomes) - failed} of {len(outcomes)} checks hold")
    return int(failed > 0)


def _new(arguments: argparse.Namespace, _: list[str]) -> int:
    from scionwood.new import render

    folder = render(arguments.name, arguments.folder)
    print(f"{folder}\npip install -e {folder}\nscionwood check {arguments.name}")
    return 0


def _plugin_command(plugin: str, command: str = "", *rest: str) -> int:
    known = [*discovery.entries(), *discovery.extras()]
    if plugin not in known and not discovery.is_off(plugin):
        installed = ", ".join(discovery.entries()) or "none"
        rule = f"neither a command nor a plugin (installed: {installed})"
        near = discovery.did_you_mean(plugin, [*_COMMANDS, *FUNCTIONS, *known])
        raise PluginError(f"{plugin!r}", rule, near or "See: scionwood --help")
    record = discovery.record(plugin)
    if command in {"", "-h", "--help"}:
        from scionwood.show import command_summaries

        print(f"{record.name}: {record.summary}\n")
        print_table(("command", "what it does"), command_summaries(record))
        return 0
    command = command.replace(
        "-", "_"
    )  # commands have dashes in a shell, and underscores in Python
    function = discovery.load("commands", f"{plugin}/{command}")
    function(**parse_command(function, f"scionwood {plugin} {command}", rest))
    return 0


def _joined(overrides: list[str]) -> list[str]:
    # `--task.lr 3e-4` and `--task.lr=3e-4` mean the same.
    joined: list[str] = []
    for word in overrides:
        if word.startswith("--") or not joined or "=" in joined[-1]:
            joined.append(word)
        else:
            joined[-1] += f"={word}"
    return joined


_COMMANDS = {
    "plugins": _plugins,
    "show": _show,
    "recipe": _recipe,
    "fit": _fit,
    "test": _test,
    "check": _check,
    "new": _new,
}
