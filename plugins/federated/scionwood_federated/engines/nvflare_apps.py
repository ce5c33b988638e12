"""The two sides of a job of NVFlare 2.9: a controller on the server, and a script at each site.

Only processes of NVFlare import this module. Nobody ran it here: the paths, names and arguments
were checked against NVFlare's source.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import nvflare.client as flare  # type: ignore[import-not-found]  # no dependency
from nvflare.app_common.abstract.fl_model import FLModel  # type: ignore[import-not-found]
from nvflare.app_common.workflows.model_controller import (  # type: ignore[import-not-found]
    ModelController,
)

from scionwood import ScionwoodError
from scionwood_federated.engines.plan import NetPlan
from scionwood_federated.engines.rounds import Rounds
from scionwood_federated.engines.site import answer

HOME = "SCIONWOOD_SITE"
"""The environment variable with the file of a site: its name, its recipe and its own options."""


class Controller(ModelController):  # type: ignore[misc]  # NVFlare has no type hints
    """Runs the rounds on the server.

    Args:
        start: what the first round starts from.
        out: the folder of the rounds.
        plan: the plan, as `NetPlan.dump` gives it.
    """

    def __init__(self, start: str, out: str, plan: dict[str, Any]) -> None:
        super().__init__()
        self._start, self._out, self._plan = start, out, plan

    def run(self) -> None:
        """Run all rounds, and write how they ended."""
        plan = NetPlan.parse(self._plan)
        rounds = Rounds(plan, self._start, self._out)
        try:
            while not rounds.over:
                self._round(rounds)
        except ScionwoodError as error:
            rounds.finish(str(error))
            raise
        rounds.finish()

    def _round(self, rounds: Rounds) -> None:
        plan, files = rounds.plan, _arrays(rounds.message())
        answers: dict[str, dict[str, bytes] | str] = {}
        clients = [name for name in self.sample_clients() if name in plan.sites]
        for site in clients:
            order = plan.order(rounds.number, site)
            model = FLModel(params=files, meta={"order": order})
            self.send_model(targets=[site], data=model, timeout=int(plan.timeout),
                            callback=lambda reply: _keep(answers, reply))  # fmt: skip
        self._wait_for(rounds, clients, answers)
        for site, state in rounds.close(answers).items():
            self.info(f"{site}: {state}")

    def _wait_for(self, rounds: Rounds, clients: list[str], answers: Mapping[str, Any]) -> None:
        import time

        end = time.monotonic() + rounds.plan.timeout
        while self.get_num_standing_tasks() and len(answers) < len(clients):
            if time.monotonic() > end:
                return
            time.sleep(0.5)


def train() -> None:
    """Answer to every message at a site, until the job is over."""
    flare.init()
    while flare.is_running():
        message = flare.receive()
        if message is None:
            return
        try:
            files = answer(_files(message.params), message.meta["order"], os.environ[HOME])
            flare.send(FLModel(params=_arrays(files), meta={"error": ""}))
        except ScionwoodError as error:
            flare.send(FLModel(params={"none": np.zeros(1, np.uint8)}, meta={"error": str(error)}))


def _keep(answers: dict[str, dict[str, bytes] | str], reply: Any) -> None:
    meta = reply.meta or {}
    answers[str(meta.get("client_name"))] = str(meta.get("error")) or _files(reply.params)


def _arrays(files: Mapping[str, bytes]) -> dict[str, Any]:
    return {name: np.frombuffer(content, dtype=np.uint8) for name, content in files.items()}


def _files(params: Mapping[str, Any]) -> dict[str, bytes]:
    return {name: bytes(np.asarray(array, dtype=np.uint8)) for name, array in params.items()}
