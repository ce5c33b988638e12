"""What a federation over a network does, as the keys and values that engines carry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from scionwood_federated.rules.registry import RULES, check_options
from scionwood_federated.schedule import NetOptions
from scionwood_federated.update.record import FederationError, folded
from scionwood_federated.update.training import HeldOut

HOLD: dict[str, HeldOut] = {"frozen_a": "A"}
"""The factor that does not move, by rule."""

SERVER, SITES, NODES = "server", "sites", "nodes"
CA, CERTIFICATE, SERVER_KEY, NODE_KEY = "ca.pem", "server.pem", "server.key", "node.key"
"""The folders and files of `certificates`."""


@dataclass(frozen=True)
class NetPlan(NetOptions):
    """The plan of a federation over a network.

    Attributes:
        sites: the names of the sites that may take part; their order gives the seeds.

    Example:
        >>> from scionwood_federated import NetPlan
        >>> NetPlan(sites=("north", "south"), rounds=3).least
        2
    """

    sites: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the plan.

        Raises:
            FederationError: a number is too small, a rule cannot be used over a network, or a name
                of a site is empty, double, or no plain name.
        """
        check_options(self.rule, {})
        if min(self.rounds, self.steps, self.least - 1) < 1 or self.timeout <= 0:
            rule = "rounds and steps are at least 1, sites at least 2, and seconds above 0"
            raise FederationError(f"plan {self.rounds} x {self.steps}", rule, "Give larger numbers")
        bad = [
            name for name in self.sites if not name or set(name) & set("/\\\",='\n") or "." in name
        ]
        if bad or len({folded(name) for name in self.sites}) < len(self.sites):
            rule = "names of sites are plain words, and no two are alike"
            raise FederationError(f"sites {','.join(self.sites)!r:.80}", rule, "Rename them")
        if len(self.sites) < self.least:
            rule = f"they are fewer than the {self.least} that a round needs"
            raise FederationError(f"{len(self.sites)} sites", rule, "Name more: --sites")

    def refuse_secure_sums(self) -> None:
        """Refuse secure sums: with a rule that sees single updates, and with Flower as it is.

        Raises:
            FederationError: always; the message says which of the two it is.
        """
        if not RULES[self.rule].additive:
            rule = f"they hide single updates, and the rule {self.rule} looks at them"
            raise FederationError("secure sums", rule, "Use the rule frozen_a")
        rule = "Flower 1.42 has SecAgg+ for its old API alone, flwr.client.mod, not for messages"
        remedy = "Sum encrypted updates by files: keys, round --encrypt, pool --key, decrypt"
        raise FederationError("secure sums", rule, remedy)

    def order(self, round_: int, site: str) -> dict[str, int | str]:
        """Return what a message asks of a site: round, steps, seed and the factor that is held."""
        seed = self.seed + 10_000 * round_ + self.sites.index(site)
        return {"round": round_, "steps": self.steps, "seed": seed, "hold": HOLD.get(self.rule, "")}

    def dump(self) -> dict[str, Any]:
        """Return the plan as keys and plain values, as engines take them."""
        record = {key.replace("_", "-"): value for key, value in asdict(self).items()}
        del record["sites"]
        return {"sites": ",".join(self.sites), **record}

    @classmethod
    def parse(cls, record: Mapping[str, Any]) -> NetPlan:
        """Return the plan of keys and plain values; other keys are left alone.

        Raises:
            FederationError: see `NetPlan`.
        """
        names = tuple(name for name in str(record["sites"]).split(",") if name)
        defaults = asdict(NetOptions())
        options = {key.replace("-", "_"): value for key, value in record.items()}
        values = {key: type(defaults[key])(options[key]) for key in defaults if key in options}
        return cls(sites=names or ("", ""), **values)
