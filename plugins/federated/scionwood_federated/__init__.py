"""Sites that cannot share data train one adapter, by files, over a network or in a simulation."""

from __future__ import annotations

from scionwood import Plugin

plugin = Plugin(
    name="federated",
    summary="Sites that cannot share data train one adapter, by files, a network or a simulation",
    commands={
        "begin": "scionwood_federated.cli.rounds:begin",
        "fit": "scionwood_federated.cli.rounds:fit",
        "round": "scionwood_federated.cli.rounds:round",
        "pool": "scionwood_federated.cli.rounds:pool",
        "check": "scionwood_federated.cli.checking:check",
        "losses": "scionwood_federated.cli.checking:losses",
        "keys": "scionwood_federated.cli.rounds:keys",
        "decrypt": "scionwood_federated.cli.rounds:decrypt",
        "simulate": "scionwood_federated.cli.simulating:simulate",
        "export": "scionwood_federated.cli.network:export",
        "certificates": "scionwood_federated.cli.network:certificates",
        "serve": "scionwood_federated.cli.network:serve",
        "join": "scionwood_federated.cli.network:join",
    },
    rooms=("checks", "engines", "privacy", "rules", "simulation", "update"),
)
