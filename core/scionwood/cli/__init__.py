"""The command line: `scionwood COMMAND` and `scionwood PLUGIN COMMAND`.

Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import argparse
import os
import select
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from scionwood import __version__
from scionwood.cli.command import parse_command, run_command
from scionwood.cli.recipes import OVERRIDABLE, overrides_last
from scionwood.cli.words import meanings
from scionwood.errors import PluginError, ScionwoodError
from scionwood.files.terminal import print_table, visible_warnings
from scionwood.plugins import discovery
from scionwood.recipes.signatures import summary

EPILOG = """\
scionwood PLUGIN                 the commands of a plugin; `scionwood plugins` names the plugins
scionwood COMMAND --help         what a command takes
scionwood PLUGIN COMMAND --help  what a command of a plugin takes
"""

CLOSED_PIPE = 141
"""The exit code if nobody reads the output any more: 128 + SIGPIPE, as shells report it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line.

    Returns:
        The exit code: 0 done, 1 a check failed, 2 an error that the message explains, 130 Ctrl-C,
        141 the reader of the output has gone (`scionwood show NAME | head`).
    """
    from scionwood_sandbox.decoding.switch import service_in_commands

    try:
        try:
            with visible_warnings(), service_in_commands():
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
        if not words or words[0].startswith("-"):
            _parser().parse_args(words)  # which prints help, versions or an error, and exits
        name, *rest = words
        if name not in discovery.verbs():
            return _plugin_command(name, *rest)
        function: Callable[..., Any] = discovery.resolve(name, discovery.verbs()[name])
        rest = overrides_last(function, rest) if name in OVERRIDABLE else rest
        return run_command(function, parse_command(function, f"scionwood {name}", rest))
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


TOOLS = dict.fromkeys(("check", "new"), "core/kit") | {"map": "plugins/batch"}
TOOLS |= dict.fromkeys(("push", "sign"), "plugins/share")
"""Where the commands of tools come from, which a small install leaves out."""


def _plugin_command(plugin: str, command: str = "", *arguments_left: str) -> int:
    plugins = [*discovery.entries(), *discovery.extras()]
    if plugin not in plugins and not discovery.is_off(plugin):
        installed = ", ".join(discovery.entries()) or "none"
        rule = f"neither a command nor a plugin (installed: {installed})"
        near = discovery.did_you_mean(plugin, [*discovery.verbs(), *plugins])
        if plugin in TOOLS:
            near = f"It is a tool. In a clone of Scionwood: pip install -e {TOOLS[plugin]}"
        raise PluginError(f"{plugin!r}", rule, near or "See: scionwood --help")
    record = discovery.record(plugin)
    if command in {"", "-h", "--help"}:
        from scionwood.cli.inspection import command_summaries

        print(f"{record.name}: {record.summary}\n")
        print_table(("command", "what it does"), command_summaries(record))
        return 0
    # Commands have dashes in a shell, and underscores in Python.
    function = discovery.load("commands", f"{plugin}/{command.replace('-', '_')}")
    arguments = parse_command(function, f"scionwood {plugin} {command}", arguments_left)
    if "input" in meanings(function).values():
        from scionwood_sandbox.decoding.calls import start_early

        start_early([reference.partition(":")[0] for reference in record.readers.values()])
    return run_command(function, arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "scionwood",
        description="Parameter-efficient adapters for scientific foundation models.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    about = "print the versions of core, plugins and torch"
    parser.add_argument("--version", action="version", version=_versions(), help=about)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, reference in discovery.verbs().items():
        commands.add_parser(name, help=summary(reference))
    return parser


def _versions() -> str:
    """Return the installed versions, read from metadata alone."""
    lines = [f"scionwood {__version__}"]
    for name, points in discovery.entries().items():
        lines.append(f"plugin {name}: {', '.join(sorted({discovery.owner(p) for p in points}))}")
    try:
        return "\n".join([*lines, f"torch {version('torch')}"])
    except PackageNotFoundError:
        return "\n".join([*lines, "torch is not installed"])
