"""Serve runs over HTTP: `scionwood serve run`."""

from __future__ import annotations

import os
import shutil
from dataclasses import fields
from pathlib import Path

from scionwood import find_run
from scionwood_serve.verbs.references import named_run
from scionwood_serve.versions.problem import ServingError
from scionwood_serve.web.limits import Limits, RequestLimits
from scionwood_serve.worker.options import EngineOptions

TOKEN = "SCIONWOOD_SERVE_TOKEN"
"""The environment variable that holds the token; a command line would show it to others."""


def run(
    runs: list[str],
    limits: RequestLimits = RequestLimits(),
    engine: EngineOptions = EngineOptions(),
    *,
    port: int = 8000,
    host: str = "127.0.0.1",
    state: Path | None = None,
    shadow: str | None = None,
    slack: str = "p95=200ms",
) -> None:
    """Serve runs over HTTP: files in, files out; the page at / takes a dropped file.

    The environment variable SCIONWOOD_SERVE_TOKEN holds the token that requests must carry. Without
    it the server listens on this machine alone. SIGTERM and Ctrl-C end it after the requests that
    are under way.

    Args:
        runs: the runs, each as RUN or NAME=RUN; the name is that of the folder by default.
        limits: what a request may cost.
        engine: where the models compute, and how many requests at a time.
        port: the port; 0 takes a free one.
        host: the address to listen on, or the name of this machine.
        state: a folder for the server's copies of the runs; by default a temporary one.
        shadow: a recipe, or NAME=RECIPE, that goes on training a version of an adapter in the time
            that requests leave. A new version goes live if its validation is no worse.
        slack: how slow answers may become meanwhile, such as p95=200ms.

    Raises:
        ServingError: the address is not this machine and there is no token, the port is taken, a
            name is given twice, or no service can use a run.
        TrainingError: a run is not finished.
        AdapterFileError: an adapter is damaged, or was made for another base.
    """
    import scionwood_serve.web.running as web
    from scionwood_serve.versions.snapshot import take_version
    from scionwood_serve.worker.engine import services_of

    token = os.environ.get(TOKEN, "")
    if host not in ("127.0.0.1", "localhost", "::1") and not token:
        rule = "other machines may reach it, and there is no token"
        raise ServingError(f"host {host}", rule, f"Set {TOKEN}")
    if limits.root is not None and not token:
        raise ServingError(f"root {limits.root}", "it needs a token", f"Set {TOKEN}")
    signed_by = limits.trusted or os.environ.get("SCIONWOOD_REQUIRE_SIGNED")
    if limits.root is not None and not (signed_by or limits.unsigned):
        rule = "runs that are put need a signature, and no key is named"
        remedy = "Name the public keys: --trusted KEY. Or take any run: --unsigned"
        raise ServingError(f"root {limits.root}", rule, remedy)
    hosts = {*Limits.hosts, host, *((f"[{host}]",) if ":" in host else ())}
    if host in ("0.0.0.0", "::"):
        import socket

        hosts |= {socket.gethostname(), socket.getfqdn()}
    settings = {field.name: getattr(limits, field.name) for field in fields(RequestLimits)}
    settings["trusted"] = Path(signed_by) if signed_by and not limits.unsigned else None
    allowed = Limits(**settings, token=token, hosts=tuple(sorted(hosts)))
    folder, temporary = web.state_folder(state)
    try:
        versions = [
            take_version(find_run(run, quiet=True), folder / "versions", name)
            for name, run in map(named_run, runs)
        ]
        for version in versions:
            services_of(version)
        trainer = None
        if shadow:
            from scionwood_serve.shadow.background import Shadow, read_latency_budget

            trainer = Shadow(*named_run(shadow), read_latency_budget(slack), folder)
        web.run_server(versions, folder, allowed, engine, host=host, port=port, shadow=trainer)
    finally:
        if temporary:
            shutil.rmtree(folder, ignore_errors=True)
