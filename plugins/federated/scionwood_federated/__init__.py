"""Sites that cannot share data train one adapter, by files, over a network or in a simulation."""

from __future__ import annotations

from scionwood import Plugin
from scionwood.authoring import attach_stub

plugin = Plugin(
    name="federated",
    summary="Sites that cannot share data train one adapter, by files, a network or a simulation",
    commands={
        "begin": "scionwood_federated.verbs.rounds:begin",
        "fit": "scionwood_federated.verbs.rounds:fit",
        "round": "scionwood_federated.verbs.rounds:round",
        "pool": "scionwood_federated.verbs.rounds:pool",
        "personal": "scionwood_federated.verbs.personal:personal",
        "check": "scionwood_federated.verbs.checks:check",
        "losses": "scionwood_federated.verbs.checks:losses",
        "keys": "scionwood_federated.verbs.rounds:keys",
        "decrypt": "scionwood_federated.verbs.rounds:decrypt",
        "simulate": "scionwood_federated.verbs.simulate:simulate",
        "export": "scionwood_federated.verbs.network:export",
        "certificates": "scionwood_federated.verbs.network:certificates",
        "serve": "scionwood_federated.verbs.network:serve",
        "join": "scionwood_federated.verbs.network:join",
    },
    rooms=("checks", "engines", "privacy", "rules", "schedule", "simulation", "update"),
)

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
