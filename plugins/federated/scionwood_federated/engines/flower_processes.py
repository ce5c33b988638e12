"""Start the processes of Flower, and stop every one of them at the end."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from scionwood.authoring import check_target
from scionwood_federated.engines.flower_export import START, plan_of
from scionwood_federated.engines.plan import (
    CA,
    CERTIFICATE,
    NODE_KEY,
    NODES,
    SERVER,
    SERVER_KEY,
    SITES,
)
from scionwood_federated.engines.rounds import outcome
from scionwood_federated.engines.site import write_home
from scionwood_federated.update.record import FederationError

_LINK_NAME = "here"


def serve(
    app: str | Path,
    out: str | Path,
    certificates: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8443,
    wait: float = 600.0,
) -> dict[str, Any]:
    """Serve a federation; see the verb. `certificates` may also be their `server` folder.

    Returns:
        How it ended: `last` names the folder of the last round.
    """
    plan, keys = plan_of(app), Path(certificates)
    keys = (keys if (keys / CA).exists() else keys / SERVER).absolute()
    check_target(out, overwrite=False)
    Path(out).mkdir(parents=True)
    with TemporaryDirectory() as home:
        env = _environment(home)
        _write_connection(Path(home), port, keys / CA)
        command = [_program("flower-superlink"), "--host", host, "--port", str(port)]
        command += ["--ssl-ca-certfile", str(keys / CA), "--ssl-keyfile", str(keys / SERVER_KEY)]
        command += ["--ssl-certfile", str(keys / CERTIFICATE), "--enable-supernode-auth"]
        command += ["--disable-runtime-dependency-installation"]
        with _running(command, env) as link:
            _await_port(link, port)
            for site in plan.sites:
                _flwr(env, "supernode", "register", str(keys / NODES / f"{site}.pub"), _LINK_NAME,
                      "--name", site)  # fmt: skip
            values = {"start": str((Path(app) / START).absolute()), "wait": float(wait),
                      "out": str(Path(out).absolute())}  # fmt: skip
            words = " ".join(f"{key}={json.dumps(value)}" for key, value in values.items())
            _flwr(env, "run", str(app), _LINK_NAME, "--run-config", words)
            return _await_end(link, Path(out), env)


def join(
    server: str,
    site: str,
    recipe: str | Path,
    certificates: str | Path,
    *,
    overrides: Sequence[str] = (),
    patience: float = 300.0,
) -> int:
    """Take part in a federation; see the verb. It returns the exit code of the node.

    A node that starts before the server, or before its key is registered there, tries again.
    """
    keys = Path(certificates)
    keys = (keys if (keys / CA).exists() else keys / SITES / site).absolute()
    with TemporaryDirectory() as home:
        facts = Path(home) / "home.json"
        write_home(facts, site, recipe, list(overrides))
        command = [_program("flower-supernode"), "--superlink", server]
        command += ["--root-certificates", str(keys / CA)]
        command += ["--auth-supernode-private-key", str(keys / NODE_KEY)]
        command += ["--max-wait-time", str(patience)]
        command += ["--node-config", f"home={json.dumps(str(facts))}"]
        end = time.monotonic() + patience
        while True:
            with _running([*command, "--port", str(free_port())], _environment(home)) as node:
                code = node.wait()
            if code == 0 or time.monotonic() > end:
                return code
            time.sleep(2.0)


def free_port() -> int:
    """Return a port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _running(command: Sequence[str], env: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in a session of its own, and end it and its children afterwards.

    A signal that ends this process ends them too.
    """

    def ended(*_: object) -> None:
        raise SystemExit(143)

    before = signal.signal(signal.SIGTERM, ended)
    child = subprocess.Popen(command, env=dict(env), start_new_session=True)
    try:
        yield child
    finally:
        signal.signal(signal.SIGTERM, before)
        _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a program; its children leave with it, and what is left of its group is killed."""
    for number, patience in ((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0)):
        if child.poll() is None:
            child.send_signal(number)
        try:
            child.wait(patience)
            break
        except subprocess.TimeoutExpired:
            continue
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:  # nothing is left of it
        return


def _environment(home: str) -> dict[str, str]:
    """Return the environment of Flower's programs: no telemetry, no look for updates."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    quiet = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
    return {**os.environ, **quiet, "FLWR_HOME": home, "PATH": path}


def _program(name: str) -> str:
    sibling = Path(sys.executable).with_name(name)
    program = str(sibling) if sibling.exists() else shutil.which(name)
    if program is None:
        remedy = "pip install 'flwr>=1.42,<1.43' in an environment of its own"
        raise FederationError(f"program {name}", "Flower is not installed", remedy)
    return program


def _write_connection(home: Path, port: int, authority: Path) -> None:
    text = f'[superlink]\ndefault = "{_LINK_NAME}"\n\n[superlink.{_LINK_NAME}]\n'
    text += f'address = "127.0.0.1:{port}"\nroot-certificates = {json.dumps(str(authority))}\n'
    (home / "config.toml").write_text(text, encoding="utf-8")


def _flwr(env: Mapping[str, str], *words: str) -> str:
    process = subprocess.run(
        [_program("flwr"), *words], env=dict(env), capture_output=True, text=True, check=False
    )
    if process.returncode:
        output = re.sub(r"[\s─-╿]+", " ", process.stdout + process.stderr).strip()
        rule = f"Flower refused it: {output[-300:]}"
        raise FederationError(f"flwr {' '.join(words[:2])}", rule, "Look at what Flower printed")
    return process.stdout


def _await_port(link: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end and link.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    rule = "the server did not start" if link.poll() is None else "the server ended at once"
    raise FederationError(
        f"port {port}", rule, "Choose another --port, and look at what it printed"
    )


def _await_end(link: subprocess.Popen[bytes], out: Path, env: Mapping[str, str]) -> dict[str, Any]:
    looked = time.monotonic()
    while (ended := outcome(out)) is None:
        if link.poll() is not None:
            raise FederationError("the server", "it ended before the rounds did", "Read its log")
        if time.monotonic() - looked > 30:
            looked = time.monotonic()
            if "finished:" in _flwr(env, "list", "--format", "json") and outcome(out) is None:
                rule = "its app ended before the rounds began"
                raise FederationError("the server", rule, "Read its log")
        time.sleep(0.5)
    if ended["error"]:
        raise FederationError(
            f"federation {out}", str(ended["error"]), "Mend that, and serve again"
        )
    return ended
