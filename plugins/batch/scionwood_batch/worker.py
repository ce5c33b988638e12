"""What a worker process does with one job."""

from __future__ import annotations

import contextlib
import io
import os
import platform
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from scionwood.errors import ScionwoodError

LENGTH = 500
"""Characters of an error that a row repeats."""

_turn = threading.Lock()  # a worker with several threads does one job at a time


class Call(NamedTuple):
    """A command line, and the folder in which it is given."""

    command: str
    argv: Sequence[str]
    target: Path
    folder: str


class Answer(NamedTuple):
    """What became of a call; an empty error means that the target is there."""

    error: str
    seconds: float
    worker: str


def work(call: Call) -> Answer:
    """Run one command line. Whatever goes wrong is in the answer.

    The command prints nothing. A run that it loads is kept for the next call.
    """
    with _turn:
        start, printed = time.perf_counter(), io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            error = _error(call, printed)
        worker = f"{platform.node()}:{os.getpid()}"
        return Answer(error[:LENGTH], round(time.perf_counter() - start, 3), worker)


def _error(call: Call, printed: io.StringIO) -> str:
    from scionwood.training.loaded_run import keep_runs
    from scionwood_sandbox.decoding.switch import service_in_commands

    try:
        os.chdir(call.folder)
        call.target.parent.mkdir(parents=True, exist_ok=True)
        with keep_runs(), service_in_commands():
            _command(call)
    except SystemExit as error:
        if error.code:
            return _reason(error.code, printed.getvalue())
    except ScionwoodError as error:
        return f"{type(error).__name__}: {error}"
    except Exception as error:  # a fault of the plugin, or of a library below it
        return f"{type(error).__name__}: {error}"
    return "" if call.target.exists() else f"the command ended, but there is no {call.target}"


def _reason(code: str | int, printed: str) -> str:
    """Return why a command exited: its own text, or the last line that it printed."""
    lines = [line for line in printed.splitlines() if line.strip()]
    return code if isinstance(code, str) else (lines or [f"exit {code}"])[-1]


def _command(call: Call) -> None:
    from scionwood.cli.command import parse_command
    from scionwood.plugins import discovery

    function = discovery.load("commands", call.command)
    prog = f"scionwood {call.command.replace('/', ' ')}"
    function(**parse_command(function, prog, call.argv))
