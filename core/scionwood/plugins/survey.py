"""List and examine the plugins without trusting them: each import runs in a child process."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import asdict

from scionwood.plugins import discovery
from scionwood.plugins.discovery import PluginEntry
from scionwood.plugins.plugin import Plugin

_IMPORT_ALL = """
import json, sys
from scionwood.plugins import discovery
entry = discovery.find(sys.argv[1])
faults = [] if entry.plugin else [entry.problem]
parts = entry.plugin.components() if entry.plugin else []
for kind, name, reference in parts:
    try:
        discovery.resolve(f"{kind} {name}", reference)
    except Exception as error:
        faults.append(str(error))
print("\\n" + json.dumps(faults))
"""


def survey(timeout: float = 1.0) -> list[PluginEntry]:
    """Return what `discovery.plugins` returns, even if a plugin hangs or ends its process.

    Each record is imported in a forked child, all at the same time. Without fork (on Windows) it
    is imported in this process.
    """
    if not hasattr(os, "fork"):
        return discovery.plugins()
    children = {name: _fork(name) for name in discovery.entries()}
    deadline = time.monotonic() + timeout
    return [_collect(name, *child, deadline, timeout) for name, child in children.items()]


def doctor(timeout: float = 60.0) -> dict[str, list[str]]:
    """Import each plugin with all its components in a fresh interpreter.

    Returns:
        The faults of each plugin, one text a fault; none if every component can be imported.
    """
    return {name: _faults(name, timeout) for name in discovery.entries()}


def _fork(name: str) -> tuple[int, int]:
    read, write = os.pipe()
    child = os.fork()
    if child:
        os.close(write)
        return child, read
    # The child reports and leaves, whatever the plugin does. It runs no exit handlers.
    try:
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        os.write(write, json.dumps(asdict(discovery.find(name))).encode())
    finally:
        os._exit(0)


def _collect(name: str, child: int, read: int, deadline: float, timeout: float) -> PluginEntry:
    answer = b""
    while select.select([read], [], [], max(0.0, deadline - time.monotonic()))[0]:
        part = os.read(read, 65536)
        answer += part
        if not part:
            break
    else:
        os.kill(child, signal.SIGKILL)
        answer = b""
    os.close(read)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if answer:
        entry = json.loads(answer)
        fields = entry["plugin"]
        record = fields and Plugin(**fields | {"rooms": tuple(fields["rooms"])})  # JSON: no tuples
        return PluginEntry(name, tuple(entry["distributions"]), record, entry["problem"])
    owners = tuple(sorted({discovery.owner(point) for point in discovery.entries()[name]}))
    what = f"hangs at import (over {timeout:g} s)" if status < 0 else "ends its process at import"
    return PluginEntry(name, owners, problem=f"{what}. Run: scionwood plugins --doctor")


def _faults(name: str, timeout: float) -> list[str]:
    command = [sys.executable, "-c", _IMPORT_ALL, name]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        return [f"hangs: no answer in {timeout:g} s"]
    try:
        return list(json.loads(run.stdout.rstrip().rpartition("\n")[2]))
    except ValueError:
        last = run.stderr.strip().rpartition("\n")[2]
        return [f"ended its process with code {run.returncode} {last}".strip()]
