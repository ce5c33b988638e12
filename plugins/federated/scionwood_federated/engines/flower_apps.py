"""The two apps of Flower's message API: what the server runs, and what a node runs.

Flower is imported when an app is made, in the processes of Flower alone. A message holds the files
of a start or an update as arrays of bytes, which Flower cuts into chunks, and a config record with
the order or an error.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from scionwood import ScionwoodError
from scionwood_federated.engines.plan import NetPlan
from scionwood_federated.engines.rounds import Rounds
from scionwood_federated.engines.site import answer
from scionwood_federated.update.record import FederationError

_FILES, _ORDER, _KIND = "files", "order", "scionwood.file"


def client_app() -> Any:
    """Return the app of a node: it answers with an update, or with the reason why not."""
    from flwr.app import ArrayRecord, ConfigRecord, Message, RecordDict
    from flwr.clientapp import ClientApp

    def train(message: Any, context: Any) -> Any:
        home, error = str(context.node_config["home"]), ""
        files = ArrayRecord()
        try:
            order = dict(message.content[_ORDER])
            files = _record(answer(_bytes(message.content[_FILES]), order, home))
        except ScionwoodError as refused:
            error = str(refused)
        content = RecordDict({_FILES: files, _ORDER: ConfigRecord({"error": error})})
        return Message(content, reply_to=message)

    app = ClientApp()
    app.train()(train)
    return app


def server_app() -> Any:
    """Return the app of the server: it runs all rounds, and writes how they ended."""
    from flwr.serverapp import ServerApp

    def main(grid: Any, context: Any) -> None:
        config = context.run_config
        plan = NetPlan.parse(config)
        rounds = Rounds(plan, Path(str(config["start"])), Path(str(config["out"])))
        try:
            _wait(grid, plan, float(config["wait"]))
            while not rounds.over:
                _round(grid, rounds)
        except Exception as error:
            is_expected = isinstance(error, ScionwoodError)
            rounds.finish(str(error) if is_expected else f"{type(error).__name__}: {error}")
            raise
        rounds.finish()

    app = ServerApp()
    app.main()(main)
    return app


def _round(grid: Any, rounds: Rounds) -> None:
    from flwr.app import ConfigRecord, Message, MessageType, RecordDict

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
    replies = list(grid.send_and_receive(messages, timeout=plan.timeout))
    sites = [names[message.metadata.dst_node_id] for message in messages]
    sites_by_message = {
        m.metadata.message_id: site for m, site in zip(messages, sites, strict=True)
    }
    for site, state in rounds.close(_answers(replies, sites_by_message)).items():
        print(f"round {number}: {site}: {state}", flush=True)


def _answers(
    replies: Iterable[Any], sites_by_message: Mapping[str, str]
) -> dict[str, dict[str, bytes] | str]:
    """Return what came by site. For a node that is gone, the server itself answers with an error.

    Args:
        replies: the replies.
        sites_by_message: the sites by the number of the message that each got.
    """
    out: dict[str, dict[str, bytes] | str] = {}
    for reply in replies:
        site = sites_by_message[reply.metadata.reply_to_message_id]
        if reply.has_error():
            out[site] = f"its node is gone or failed ({reply.error.code}: {reply.error.reason})"
        elif error := str(reply.content[_ORDER]["error"]):
            out[site] = error
        else:
            out[site] = _bytes(reply.content[_FILES])
    return out


def _wait(grid: Any, plan: NetPlan, seconds: float) -> None:
    """Wait until all sites are there, or until the time is over and enough are."""
    end = time.monotonic() + seconds
    while len(nodes := _nodes(grid, plan)) < len(plan.sites):
        if time.monotonic() > end:
            if len(nodes) >= plan.least:
                return
            missing = sorted(set(plan.sites) - set(nodes.values()))
            rule = f"they did not join in {seconds:.0f} s"
            raise FederationError(f"sites {', '.join(missing)}", rule, "Start them: join")
        time.sleep(1.0)


def _nodes(grid: Any, plan: NetPlan) -> dict[int, str]:
    """Return the sites that are there, by the number of their nodes.

    The name is the one under which the server registered the node's key, not one it gives itself.
    """
    return {node.node_id: node.name for node in grid.get_nodes() if node.name in plan.sites}


def _record(files: Mapping[str, bytes]) -> Any:
    from flwr.app import Array, ArrayRecord

    return ArrayRecord({n: Array("uint8", (len(b),), _KIND, b) for n, b in files.items()})


def _bytes(record: Any) -> dict[str, bytes]:
    return {str(name): bytes(array.data) for name, array in record.items()}
