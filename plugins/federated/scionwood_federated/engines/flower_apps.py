"""The two apps of Flower's message API: what the server runs, and what a node runs.

Only processes of Flower import this module. A message holds the files of a start or an update as
arrays of bytes, which Flower cuts into chunks, and a config record with the order or an error.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from flwr.app import (  # type: ignore[import-not-found]  # an extra
    Array,
    ArrayRecord,
    ConfigRecord,
    Message,
    MessageType,
    RecordDict,
)
from flwr.clientapp import ClientApp  # type: ignore[import-not-found]
from flwr.serverapp import ServerApp  # type: ignore[import-not-found]

from scionwood import ScionwoodError
from scionwood_federated.engines.plan import NetPlan
from scionwood_federated.engines.rounds import Rounds
from scionwood_federated.engines.site import answer
from scionwood_federated.update.record import FederationError

client = ClientApp()
server = ServerApp()
_FILES, _ORDER, _KIND = "files", "order", "scionwood.file"


@client.train()
def train(message: Any, context: Any) -> Any:
    """Train at this node, and answer with an update or with the reason why there is none."""
    home = str(context.node_config["home"])
    try:
        files = answer(_bytes(message.content[_FILES]), dict(message.content[_ORDER]), home)
        content = RecordDict({_FILES: _record(files), _ORDER: ConfigRecord({"error": ""})})
    except ScionwoodError as error:
        content = RecordDict({_FILES: ArrayRecord(), _ORDER: ConfigRecord({"error": str(error)})})
    return Message(content, reply_to=message)


@server.main()
def main(grid: Any, context: Any) -> None:
    """Run all rounds, and write how they ended."""
    config = context.run_config
    plan = NetPlan.parse(config)
    rounds = Rounds(plan, Path(str(config["start"])), Path(str(config["out"])))
    try:
        _wait(grid, plan, float(config["wait"]))
        while not rounds.over:
            _round(grid, rounds)
    except Exception as error:
        rounds.finish(str(error) or type(error).__name__)
        raise
    rounds.finish()


def _round(grid: Any, rounds: Rounds) -> None:
    plan, number = rounds.plan, rounds.number
    names = _nodes(grid, plan)
    files = _record(rounds.message())
    messages = [
        Message(
            RecordDict({_FILES: files, _ORDER: ConfigRecord(plan.order(number, site))}),
            dst_node_id=node,
            message_type=MessageType.TRAIN,
            group_id=str(number),
        )
        for node, site in names.items()
    ]
    replies = grid.send_and_receive(messages, timeout=plan.timeout)
    said = rounds.close(_answers(replies, names))
    for site, state in said.items():
        print(f"round {number}: {site}: {state}", flush=True)


def _answers(replies: Iterable[Any], names: Mapping[int, str]) -> dict[str, dict[str, bytes] | str]:
    out: dict[str, dict[str, bytes] | str] = {}
    for reply in replies:
        site = names[reply.metadata.src_node_id]
        if reply.has_error():
            out[site] = f"it sent an error ({reply.error.code}: {reply.error.reason})"
        elif error := str(reply.content[_ORDER]["error"]):
            out[site] = error
        else:
            out[site] = _bytes(reply.content[_FILES])
    return out


def _wait(grid: Any, plan: NetPlan, seconds: float) -> None:
    """Wait until all sites are there, or until the time is over and enough are."""
    end = time.monotonic() + seconds
    while len(found := _nodes(grid, plan)) < len(plan.sites):
        if time.monotonic() > end:
            if len(found) >= plan.least:
                return
            missing = sorted(set(plan.sites) - set(found.values()))
            rule = f"they did not join in {seconds:.0f} s"
            raise FederationError(f"sites {', '.join(missing)}", rule, "Start them: join")
        time.sleep(1.0)


def _nodes(grid: Any, plan: NetPlan) -> dict[int, str]:
    """Return the sites that are there, by the number of their nodes.

    The name is the one under which the server registered the node's key, not one it gives itself.
    """
    return {node.node_id: node.name for node in grid.get_nodes() if node.name in plan.sites}


def _record(files: Mapping[str, bytes]) -> Any:
    return ArrayRecord({n: Array("uint8", (len(b),), _KIND, b) for n, b in files.items()})


def _bytes(record: Any) -> dict[str, bytes]:
    return {str(name): bytes(array.data) for name, array in record.items()}
