"""The command line: `scionwood COMMAND` and `scionwood PLUGIN COMMAND`.

Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from scionwood import __version__, discovery
from scionwood.errors import PluginError, RecipeError, ScionwoodError
from scionwood.plugin import KINDS

if TYPE_CHECKING:
    from scionwood.discovery import Found
    from scionwood.testing import Outcome

EPILOG = """\
scionwood PLUGIN COMMAND ...     a plugin's own command; `scionwood plugins` names them
scionwood PLUGIN COMMAND --help  what it takes
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line.

    Returns:
        The exit code: 0 done, 1 a check failed, 2 an error that the message explains, 130 Ctrl-C.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if arguments and not arguments[0].startswith("-") and arguments[0] not in _COMMANDS:
            return _plugin_command(*arguments)
        parsed, rest = _parser().parse_known_args(arguments)
        if rest and not parsed.overrides:
            _parser().error(f"unrecognized arguments: {' '.join(rest)}")
        return int(_COMMANDS[parsed.command](parsed, rest))
    except ScionwoodError as error:
        print(f"scionwood: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("scionwood: interrupted", file=sys.stderr)
        return 130


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
        command.set_defaults(overrides=overrides)
        return command

    command = add("plugins", "list the plugins and what each adds")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.add_argument("--doctor", action="store_true", help="import every component apart")
    command = add("show", "print what a plugin or a component takes, with its documentation")
    command.add_argument("name", help="seismic, or seismic/denoise")
    command = add("recipe", "print a recipe with every default written out", overrides=True)
    command.add_argument("name", help="seismic/denoise, or a .yaml file")
    command.add_argument("--source", action="store_true", help="print the file with its comments")
    command = add("fit", "train by a recipe; any of its keys can be overridden", overrides=True)
    command.add_argument("recipe", nargs="?", help="seismic/denoise, or a .yaml file")
    command.add_argument("--run-dir", type=Path, help="the run folder (default: runs/NAME-TIME)")
    command.add_argument("--resume", type=Path, metavar="RUN", help="continue a run that stopped")
    command.add_argument("--smoke", action="store_true", help="a few steps at the smallest size")
    command = add("test", "measure a finished run on the test split")
    command.add_argument("run", type=Path, help="the run folder")
    command = add("check", "run the conformance kit on a plugin")
    command.add_argument("plugin", help="its name")
    command = add("new", "start a plugin that passes its checks as it stands")
    command.add_argument("name", help="lower case, as in hydrology")
    command.add_argument("--into", type=Path, default=Path(), help="the folder to write in")
    return parser


def _plugins(arguments: argparse.Namespace, _: list[str]) -> int:
    from scionwood.survey import doctor, survey

    if arguments.doctor:
        diagnoses = doctor()
        for diagnosis in diagnoses:
            verdict = "; ".join(diagnosis.faults) or "every component can be imported"
            print(f"{'x' if diagnosis.faults else '*'} {diagnosis.name:12} {verdict}")
        return int(any(diagnosis.faults for diagnosis in diagnoses))
    found = survey()
    if arguments.json:
        print(json.dumps([asdict(item) for item in found], indent=2))
        return 0
    for item in found:
        print(_line(item))
    if missing := [name for name in discovery.extras() if name not in {f.name for f in found}]:
        print(f"not installed: {', '.join(missing)}. Try: pip install 'scionwood[{missing[0]}]'")
    return 0


def _line(found: Found) -> str:
    head = f"{found.name:12} {', '.join(found.distributions):28}"
    if found.plugin is None:
        return f"x {head} {found.problem}"
    kinds = {kind: getattr(found.plugin, kind) for kind in KINDS}
    adds = "  ".join(f"{kind}: {', '.join(names)}" for kind, names in kinds.items() if names)
    return f"* {head} {adds}"


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

    print(fit(recipe, run_dir=arguments.run_dir, resume=name))
    return 0


def _test(arguments: argparse.Namespace, _: list[str]) -> int:
    from scionwood.training import test

    for name, value in test(arguments.run).items():
        print(f"{name:24} {value:.6g}")
    return 0


def _check(arguments: argparse.Namespace, _: list[str]) -> int:
    from scionwood.testing import run_checks

    def say(outcome: Outcome) -> None:
        mark = {"passed": "*", "failed": "x", "nothing": "-"}[outcome.status]
        reason = outcome.reason.replace("\n", "\n  ")
        print(f"{mark} {outcome.check:38} {outcome.seconds:6.1f} s  {reason}".rstrip(), flush=True)

    outcomes = run_checks(discovery.record(arguments.plugin), say)
    failed = sum(outcome.failed for outcome in outcomes)
    print(f"{len(outcomes) - failed} of {len(outcomes)} checks hold")
    return int(failed > 0)


def _new(arguments: argparse.Namespace, _: list[str]) -> int:
    from scionwood.new import render

    folder = render(arguments.name, arguments.into)
    print(f"{folder}\npip install -e {folder}\nscionwood check {arguments.name}")
    return 0


def _plugin_command(plugin: str, command: str = "", *rest: str) -> int:
    if plugin not in discovery.entries():
        near = discovery.did_you_mean(plugin, [*_COMMANDS, *discovery.entries()])
        problem = discovery.find(plugin).problem
        raise PluginError(f"{plugin!r}", f"no command, and as a plugin {problem}", near)
    record = discovery.record(plugin)
    if command in {"", "-h", "--help"}:
        names = ", ".join(name.replace("_", "-") for name in record.commands)
        print(f"{record.name}: {record.summary}\ncommands: {names}")
        return 0
    command = command.replace("-", "_")  # a shell's habit; a component's name is an identifier
    if command not in record.commands:
        discovery.load("commands", f"{plugin}/{command}")
    from scionwood.recipe import parse_command

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

if __name__ == "__main__":
    sys.exit(main())
