"""The command `scionwood serve run`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from scionwood import find_run
from scionwood_serve.cli.references import named_run
from scionwood_serve.versions.problem import ServingError

TOKEN = "SCIONWOOD_SERVE_TOKEN"
"""The environment variable that holds the token; a command line would show it to others."""


def run(
    runs: list[str],
    *,
    port: int = 8000,
    host: str = "127.0.0.1",
    max_bytes: int = 256 << 20,
    queue: int = 64,
    timeout: float = 600.0,
    root: Path | None = None,
    state: Path | None = None,
    device: str = "cpu",
    threads: int = 0,
    together: int = 8,
    beside: int = 4,
    connections: int = 256,
    shadow: str | None = None,
    slack: str = "p95=200ms",
) -> None:
    """Serve runs over HTTP: files in, files out; the page at / takes a dropped file.

    The environment variable SCIONWOOD_SERVE_TOKEN holds the token that requests must carry. Without
    it the server listens on this machine alone. SIGTERM and Ctrl-C end it after the requests that
    are under way.

    Args:
        runs: the runs, each as RUN or NAME=RUN; the name is that of the folder by default.
        port: the port; 0 takes a free one.
        host: the address to listen on, or the name of this machine.
        max_bytes: the most bytes of a request.
        queue: the most requests under way.
        timeout: seconds until an upload or an answer is given up.
        root: runs below this folder may be put on the server with `PUT /adapters/NAME`, which needs
            a token. By default there is none, and adapters cannot be put.
        state: a folder for the server's copies of the runs; by default a temporary one.
        device: where the models compute, such as cpu or cuda.
        threads: threads of torch; 0 leaves its default.
        together: the most waiting requests that are computed together, where a field can; 1
            computes each alone.
        beside: the most requests under way at a time. A second one starts if the first one takes
            longer than 2 s; 1 lets each wait for the one before it.
        connections: the most connections. Beyond it the one that has waited longest for the headers
            of its request is closed.
        shadow: a recipe, or NAME=RECIPE, that goes on training a version of an adapter in the time
            that requests leave. A new version goes live if its validation is no worse.
        slack: how slow answers may become meanwhile, such as p95=200ms.

    Raises:
        ServingError: the address is not this machine and there is no token, the port is taken, or a
            name is given twice.
        TrainingError: a run is not finished.
        AdapterFileError: an adapter is damaged, or was made for another base.
    """
    import scionwood_serve.web.running as web
    from scionwood_serve.versions.snapshot import take_version
    from scionwood_serve.web.limits import Limits

    token = os.environ.get(TOKEN, "")
    own = ("127.0.0.1", "localhost", "::1")
    if host not in own and not token:
        rule = "other machines may reach it, and there is no token"
        raise ServingError(f"host {host}", rule, f"Set {TOKEN}")
    if root is not None and not token:
        raise ServingError(f"root {root}", "it needs a token", f"Set {TOKEN}")
    hosts = {*Limits.hosts, host, *((f"[{host}]",) if ":" in host else ())}
    if host in ("0.0.0.0", "::"):
        import socket

        hosts |= {socket.gethostname(), socket.getfqdn()}
    limits = Limits(
        max_bytes, queue, timeout, connections, token=token, root=root, hosts=tuple(sorted(hosts))
    )
    folder, temporary = web.state_folder(state)
    try:
        named = [named_run(text) for text in runs]
        versions = [
            take_version(find_run(run, quiet=True), folder / "versions", name)
            for name, run in named
        ]
        trainer = None
        if shadow:
            from scionwood_serve.shadow.beside import shadow_of

            trainer = shadow_of(shadow, slack, folder)
        web.run_server(
            versions, folder, limits, host=host, port=port, device=device, threads=threads,
            together=together, beside=beside, shadow=trainer,
        )  # fmt: skip
    finally:
        if temporary:
            shutil.rmtree(folder, ignore_errors=True)
