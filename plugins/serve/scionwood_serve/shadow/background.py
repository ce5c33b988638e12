"""Let a shadow train while nobody waits, and let its version live if it is no worse."""

from __future__ import annotations

import asyncio
import math
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from scionwood import ScionwoodError
from scionwood_serve.versions.problem import ServingError
from scionwood_serve.worker.engine import Job

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
    """A training in the worker of a server.

    Args:
        name: the adapter; empty if the server has one.
        recipe: the recipe.
        slack: the target of the answers.
        folder: the folder of the server.
    """

    def __init__(self, name: str, recipe: str, slack: LatencyBudget, folder: Path) -> None:
        self.name, self.recipe, self.slack = name, recipe, slack
        self.folder = folder / "shadows"

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
            training.cancel()  # and the worker ends with the server
            await asyncio.wait([training])

    async def _train(self, server_state: ServerState) -> None:
        live = {version.name: version for version in server_state.registry.live()}
        name = self.name or next(iter(live))
        if name not in live or (not self.name and len(live) > 1):
            self._tell(f"not started: name one of {', '.join(live)}: --shadow NAME=RECIPE")
            return
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        out = Path(mkdtemp(dir=self.folder))
        flag = out / "may-train"

        def pause() -> None:
            flag.unlink(missing_ok=True)

        options = {"recipe": self.recipe}
        job = Job("train", source=flag, out=out, options=options, versions=(live[name],))
        task = asyncio.create_task(server_state.ask_once(job))
        server_state.arrived.append(pause)
        while not task.done():
            late = server_state.counters.percentile(self.slack.share) > self.slack.seconds
            if server_state.under_way or late:
                pause()
            else:
                flag.touch()
            server_state.counters.shadow.set(int(flag.exists()))
            await asyncio.wait([task], timeout=LOOK)
        server_state.arrived.remove(pause)
        server_state.counters.shadow.set(0)
        await self._judge(server_state, name, out, task.result())

    async def _judge(
        self, server_state: ServerState, name: str, out: Path, answer: dict[str, Any] | None
    ) -> None:
        """Let the new version live if its validation is no worse and its inspection is clean."""
        if answer is None or "error" in answer:
            reason = "the worker ended" if answer is None else ": ".join(answer["error"].values())
            self._tell(f"failed: {reason}")
            return
        before, after = float(answer["before"]), float(answer["after"])
        comparison = f"val_loss {before:.6g} before, {after:.6g} after"
        if not (math.isfinite(after) and after <= before):
            self._tell(f"kept aside, since it is worse: {comparison}; {out / 'run'}")
            return
        try:
            version = await server_state.put(name, out / "run")
        except ScionwoodError as error:
            self._tell(f"kept aside: {error}; {out / 'run'}")
            return
        self._tell(f"live as {name}@{version['version']}: {comparison}")

    def _tell(self, text: str) -> None:
        print(f"shadow: {text}", file=sys.stderr, flush=True)
