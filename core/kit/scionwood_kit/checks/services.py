"""Services: a server passes what strangers send to them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from scionwood.cli.words import command_words
from scionwood.errors import ScionwoodError, WeightsError
from scionwood.plugins.plugin import Plugin
from scionwood.runs.shipped import shipped_runs
from scionwood.training.loaded_run import LoadedRun, Served
from scionwood.training.run import load_run
from scionwood_kit.checks.static import component
from scionwood_kit.child import last_line, run_python
from scionwood_kit.rules import NothingToCheck, Problem, check

PLAIN = (bool, int, float, str)
"""The types of an option, which a query can carry."""

OF_THE_SERVER = {"run", "device", "force", "resume", "json", "jobs", "adapter", "name"}
"""Names that a server decides, or that a request has already."""

_LIGHT = (
    "import importlib, sys; importlib.import_module(sys.argv[1]); sys.exit('torch' in sys.modules)"
)
_DAMAGE = {"empty.bin": b"", "noise.bin": bytes(range(256)) * 8, "noise.txt": b"\xff\xfe\x00" * 99}


@check
def check_services(plugin: Plugin) -> Iterator[Problem]:
    """A service returns `Served`, takes plain options, and its module imports without torch.

    A server reads the signature to check a query, in a process that holds no model. An option is a
    number, a text, a choice or a list of them. No option is a path, since a request must not name
    a file of the server.
    """
    for name, function in _services(plugin):
        hints = get_type_hints(function)
        if hints.get("return") is not Served:
            yield Problem(
                f"services {name!r}", "it returns scionwood.authoring.Served", "Annotate it so"
            )
        for option, word in command_words(function).items():
            if not word.positional:
                yield from _option(f"services {name!r}", option, word.hint)
    for module in sorted({ref.partition(":")[0] for ref in plugin.services.values()}):
        code, _, err = run_python(["-c", _LIGHT, module])
        if code:
            value = f"import {module}: {last_line(err) or 'torch'}"
            rule = "the module of a service imports without torch"
            yield Problem(value, rule, "Import it inside the function")


@check
def check_services_refuse_damage(plugin: Plugin) -> Iterator[Problem]:
    """Damaged files end as an error that states value, rule and remedy, for each shipped run."""
    services = list(_services(plugin))
    runs = shipped_runs(plugin.name)
    if not runs:
        raise NothingToCheck("no shipped runs")
    folder = next(iter(runs.values()))
    try:
        loaded = LoadedRun(folder, load_run(folder))
    except WeightsError as error:
        if "not on this machine" not in error.rule:
            raise
        raise NothingToCheck(f"the base of run {folder.name} is not on this machine") from error
    for name, function in services:
        for file, content in _DAMAGE.items():
            if fault := _fault(function, loaded, file, content):
                value = f"services {name!r}: {file}: {fault}"
                rule = "a damaged file is refused with a ScionwoodError"
                yield Problem(value, rule, "Read it with a reader, or in call_in_child")


def _services(plugin: Plugin) -> Iterator[tuple[str, Callable[..., Any]]]:
    if not plugin.services:
        raise NothingToCheck("no services")
    for name, reference in plugin.services.items():
        yield name, component(reference)


def _option(where: str, name: str, hint: Any) -> Iterator[Problem]:
    if name in OF_THE_SERVER:
        yield Problem(f"{where}: {name}", "the server decides it", "Leave the option out")
    if not _is_plain(hint):
        rule = "an option is a number, a text, a choice or a list of them"
        yield Problem(f"{where}: {name}: {hint}", rule, "Leave it out, or split it")


def _is_plain(hint: Any) -> bool:
    if hint in (*PLAIN, NoneType) or get_origin(hint) is Literal:
        return True
    return bool(get_args(hint)) and all(map(_is_plain, get_args(hint)))


def _fault(function: Callable[..., Any], loaded: LoadedRun, name: str, content: bytes) -> str:
    with TemporaryDirectory() as folder, loaded.as_current():
        source, out = Path(folder) / name, Path(folder) / "out"
        source.write_bytes(content)
        out.mkdir()
        try:
            function(loaded, source, out)
        except ScionwoodError:
            return ""
        except Exception as error:  # what it is, is the finding
            print(f"{name}: {error!r}", file=sys.stderr)
            return type(error).__name__
    return "it is answered"
