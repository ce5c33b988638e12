"""The two sides of a job of NVFlare 2.9: the rounds of the server, and a script at each site.

NVFlare is imported in its own processes alone. Nobody ran it here: the paths, names and arguments
were checked against NVFlare's source.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from scionwood import ScionwoodError
from scionwood_federated.engines.plan import NetPlan
from scionwood_federated.engines.rounds import Rounds
from scionwood_federated.engines.site import answer

HOME = "SCIONWOOD_SITE"
"""The environment variable with the file of a site: its name, its recipe and its own options."""


def run_rounds(controller: Any, start: str, out: str, plan: dict[str, Any]) -> None:
    """Run all rounds on the server, and write how they ended.

    Args:
        controller: a `ModelController` of NVFlare.
        start: what the first round starts from.
        out: the folder of the rounds.
        plan: the plan, as `NetPlan.dump` gives it.
    """
    rounds = Rounds(NetPlan.parse(plan), start, out)
    try:
        while not rounds.over:
            _round(controller, rounds)
    except ScionwoodError as error:
        rounds.finish(str(error))
        raise
    rounds.finish()


def _round(controller: Any, rounds: Rounds) -> None:
    from nvflare.app_common.abstract.fl_model import FLModel

    plan, files = rounds.plan, _arrays(rounds.message())
    answers: dict[str, dict[str, bytes] | str] = {}
    clients = [name for name in controller.sample_clients() if name in plan.sites]
    for site in clients:
        model = FLModel(params=files, meta={"order": plan.order(rounds.number, site)})
        controller.send_model(
            targets=[site],
            data=model,
            timeout=int(plan.timeout),
            callback=lambda reply: _keep(answers, reply),
        )
    end = time.monotonic() + plan.timeout
    while controller.get_num_standing_tasks() and len(answers) < len(clients):
        if time.monotonic() > end:
            break
        time.sleep(0.5)
    for site, state in rounds.close(answers).items():
        controller.info(f"{site}: {state}")


def train() -> None:
    """Answer to every message at a site, until the job is over."""
    import nvflare.client as flare
    from nvflare.app_common.abstract.fl_model import FLModel

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
