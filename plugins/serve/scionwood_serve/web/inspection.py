"""Inspect an adapter before it goes live: by the plugin `audit` where it is installed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from scionwood import find
from scionwood_serve.versions.problem import ServingError

AUDIT = "audit"
STRUCTURE = "structure only: the plugin audit is not installed"
LONGEST = 900
"""Seconds until an audit is given up."""

REFUSED, ANOMALOUS = "refused", "anomalous"


def check_signed(folder: Path, keys: Path | None) -> None:
    """Refuse a run that none of some keys has signed.

    Args:
        folder: the run folder.
        keys: a public key, or a folder of them; `None` takes any run.

    Raises:
        ServingError: it is not signed by one of them, or a file was changed.
    """
    if keys is None:
        return
    command = [sys.executable, "-m", "scionwood.cli", "verify", str(folder), "--key", str(keys)]
    process = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONGEST)
    if process.returncode:
        rule = f"it is not signed as this server asks ({_last(process).replace(str(folder), '')})"
        raise ServingError(f"run {folder.name}", rule, "Sign it: scionwood sign RUN --key KEY", 403)


def inspect_version(folder: Path, *, anomalous: bool = False) -> str:
    """Return the verdict on a run; `load_run` checks its structure in any case.

    Args:
        folder: the run folder.
        anomalous: whether the verdict `anomalous` is accepted.

    Returns:
        The verdict of `scionwood audit run`, or that only the structure is checked.

    Raises:
        ServingError: the verdict is `refused`, or `anomalous` and that is not accepted, or there is
            none.
    """
    plugin = find(AUDIT).plugin
    if plugin is None or "run" not in plugin.commands:
        return STRUCTURE
    command = [sys.executable, "-m", "scionwood.cli", AUDIT, "run", str(folder), "--json"]
    try:
        process = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=LONGEST
        )
    except subprocess.TimeoutExpired as error:
        rule = f"the audit took more than {LONGEST} s"
        raise ServingError(f"run {folder.name}", rule, "Audit it by hand first") from error
    try:
        verdict = str(json.loads(process.stdout)["verdict"])
    except (ValueError, KeyError, TypeError) as error:
        rule, remedy = f"the audit gave no verdict ({_last(process)})", "Audit it by hand first"
        raise ServingError(f"run {folder.name}", rule, remedy) from error
    if verdict == REFUSED or (verdict == ANOMALOUS and not anomalous):
        remedy = "See: scionwood audit run RUN"
        if verdict == ANOMALOUS:
            remedy += '. If you accept it: {"run": ..., "anomalous": true}'
        raise ServingError(f"run {folder.name}", f"the audit says: {verdict}", remedy)
    return verdict


def _last(process: subprocess.CompletedProcess[str]) -> str:
    return (process.stderr.strip().splitlines() or ["no message"])[-1][:200]
