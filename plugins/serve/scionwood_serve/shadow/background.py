"""Let a shadow train while nobody waits, and let its version live if it is no worse."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from scionwood import ScionwoodError
from scionwood_serve.shadow.training import GATE
from scionwood_serve.versions.problem import ServingError

if TYPE_CHECKING:
    from scionwood_serve.web.server_state import ServerState

LOOK = 0.02
"""Seconds between two looks at the requests."""

_SLACK = re.compile(r"p(\d\d)=(\d+(?:\.\d+)?)(ms|s)")


@dataclass(frozen=True)
class LatencyBudget:
    """How slow answers may become.

    Attributes:
        share: the percentile, such as 0.95.
        seconds: the most seconds at that percentile, over the last minute.
    """

    share: float
    seconds: float


def read_latency_budget(text: str) -> LatencyBudget:
    """Read a target such as `p95=200ms`.

    Args:
        text: the target.

    Raises:
        ServingError: it is none.
    """
    match = _SLACK.fullmatch(text)
    if match is None or float(match[2]) == 0:
        raise ServingError(f"slack {text!r}", "it is no target", "Such as p95=200ms or p99=2s")
    return LatencyBudget(int(match[1]) / 100, float(match[2]) / (1000 if match[3] == "ms" else 1))


class Shadow:
    """A training beside a server.

    Args:
        name: the adapter; empty if the server has one.
        recipe: the recipe.
        slack: the target of the answers.
        folder: the folder of the server.
    """

    def __init__(self, name: str, recipe: str, slack: LatencyBudget, folder: Path) -> None:
        self.name, self.recipe, self.slack = name, recipe, slack
        self.folder = folder / "shadows"
        self._process: asyncio.subprocess.Process | None = None
        self._runs = True

    @asynccontextmanager
    async def in_background(self, server_state: ServerState) -> AsyncIterator[None]:
        """Train inside the block, which is the life of the server.

        Args:
            server_state: the state of the server.
        """
        training = asyncio.create_task(self._train(server_state))
        try:
            yield
        finally:
            training.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await training
            await self._end()

    async def _train(self, server_state: ServerState) -> None:
        live = {version.name: version for version in server_state.registry.live()}
        name = self.name or next(iter(live))
        if name not in live or (not self.name and len(live) > 1):
            self._tell(f"not started: name one of {', '.join(live)}: --shadow NAME=RECIPE")
            return
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        out = Path(mkdtemp(dir=self.folder))
        words = ["-m", "scionwood_serve.shadow.training", str(live[name].folder), self.recipe]
        with (out / "log.txt").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, *words, str(out), stdin=asyncio.subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        server_state.arrived.append(self._pause)
        await self._pace(server_state)
        server_state.arrived.remove(self._pause)
        server_state.counters.shadow.set(0)
        await self._judge(server_state, name, out)

    async def _pace(self, server_state: ServerState) -> None:
        """Let the process run while no request is under way and the target is kept."""
        assert self._process is not None
        while self._process.returncode is None:
            late = server_state.counters.percentile(self.slack.share) > self.slack.seconds
            if server_state.under_way or late:
                self._pause()
            else:
                self._go_on()
            server_state.counters.shadow.set(int(self._runs))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._process.wait()), LOOK)

    async def _judge(self, server_state: ServerState, name: str, out: Path) -> None:
        """Let the new version live if its validation is no worse and its inspection is clean."""
        assert self._process is not None
        if self._process.returncode != 0 or not (out / GATE).is_file():
            self._tell(f"ended with {self._process.returncode}; its log is {out / 'log.txt'}")
            return
        gate = json.loads((out / GATE).read_text("utf-8"))
        before, after = float(gate["before"]), float(gate["after"])
        comparison = f"{gate['measure']} {before:.6g} before, {after:.6g} after"
        if not (math.isfinite(after) and after <= before):
            self._tell(f"kept aside, since it is worse: {comparison}; {out / 'run'}")
            return
        try:
            version = await server_state.put(name, out / "run")
        except ScionwoodError as error:
            self._tell(f"kept aside: {error}; {out / 'run'}")
            return
        self._tell(f"live as {name}@{version['version']}: {comparison}")

    def _pause(self) -> None:
        self._signal(signal.SIGSTOP, runs=False)

    def _go_on(self) -> None:
        self._signal(signal.SIGCONT, runs=True)

    def _signal(self, number: int, *, runs: bool) -> None:
        if self._process is None or self._process.returncode is not None or runs == self._runs:
            return
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            os.killpg(self._process.pid, number)
        self._runs = runs

    async def _end(self) -> None:
        if self._process is None or self._process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()

    def _tell(self, text: str) -> None:
        print(f"shadow: {text}", file=sys.stderr, flush=True)


def shadow_of(text: str, slack: str, folder: Path) -> Shadow:
    """Return the shadow that a command line asks for.

    Args:
        text: `RECIPE` or `NAME=RECIPE`.
        slack: such as `p95=200ms`.
        folder: the folder of the server.

    Raises:
        ServingError: the slack is no target.
    """
    name, equals, recipe = text.partition("=")
    has_name = bool(equals) and "/" not in name
    return Shadow(
        name if has_name else "", recipe if has_name else text, read_latency_budget(slack), folder
    )
