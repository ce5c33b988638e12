"""How a round closes: with the sites that answered well, and the others named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scionwood import ScionwoodError, adapters
from scionwood_federated.engines.messages import packed, unpacked
from scionwood_federated.engines.plan import NetPlan
from scionwood_federated.update.folder import read_start, read_update, write_json
from scionwood_federated.update.pooling import pool
from scionwood_federated.update.record import FederationError
from scionwood_federated.update.together import check_against

LEDGER, FINISHED = "rounds.json", "done.json"
SILENT = "it did not answer in time"


class Rounds:
    """The rounds of a federation over a network, as folders.

    `out/round3` is what the third round gave, with a folder for each site beside it, and
    `rounds.json` says of each round which sites were used and why others were not.

    Args:
        plan: the plan.
        start: what the first round starts from.
        out: the folder to write.
    """

    def __init__(self, plan: NetPlan, start: str | Path, out: str | Path) -> None:
        self.plan, self.out = plan, Path(out)
        self.start = Path(start)
        self.ledger: list[dict[str, Any]] = []
        self._first = read_start(start).about.round

    def message(self) -> dict[str, bytes]:
        """Return the files that the sites of the next round get."""
        return packed(self.start)

    @property
    def number(self) -> int:
        """The number of the next round."""
        return self._first + len(self.ledger) + 1

    @property
    def over(self) -> bool:
        """Whether all rounds are done."""
        return len(self.ledger) >= self.plan.rounds

    def close(self, answers: Mapping[str, dict[str, bytes] | str]) -> dict[str, str]:
        """Pool the answers of a round.

        Args:
            answers: by site, the files of an update, or the reason why there is none.

        Returns:
            By site, `used`, or why it was not.

        Raises:
            FederationError: too few sites are left, or one claims too many samples.
        """
        folder, begun = self.out / f"round{self.number}", read_start(self.start)
        states: dict[str, str] = {}
        for site in self.plan.sites:
            states[site] = self._checked(site, answers.get(site, SILENT), folder, begun)
        used = [site for site in self.plan.sites if states[site] == "used"]
        self.ledger.append({"round": self.number, "sites": states})
        # Before anything can fail: the ledger says why a round had too few sites.
        write_json(self.out / LEDGER, {"rounds": self.ledger})
        if len(used) < self.plan.least:
            why = "; ".join(f"{site}: {text}" for site, text in states.items() if text != "used")
            rule = f"{len(used)} sites are left, and {self.plan.least} are needed ({why})"
            raise FederationError(folder.name, rule, "Mend these sites, or lower --least")
        pool(
            [self._place(site, folder) for site in used],
            folder,
            rule=self.plan.rule,
            start=self.start,
            most_samples=self.plan.most_samples or None,
        )
        self.start = folder
        return states

    def finish(self, error: str = "") -> None:
        """Say that the federation is over, and why if it failed."""
        write_json(self.out / FINISHED, {"error": error, "last": self.start.name})

    def _place(self, site: str, folder: Path) -> Path:
        return folder.with_name(f"{folder.name}-sites") / site

    def _checked(self, site: str, sent: dict[str, bytes] | str, folder: Path, begun: Any) -> str:
        if isinstance(sent, str):
            return sent
        place = self._place(site, folder)
        try:
            unpacked(sent, place)
            update = read_update(place)
            if update.about.site != site:
                rule = f"its update says that it comes from {update.about.site!r:.80}"
                raise FederationError(f"site {site}", rule, "Ask the site")
            check_against(update, self.plan.rule, begun)
        except ScionwoodError as error:
            return str(error)
        return "used"


def outcome(out: str | Path) -> dict[str, Any] | None:
    """Return how a federation ended, or `None` while it runs."""
    path = Path(out) / FINISHED
    return dict(adapters.read_json(path)) if path.exists() else None
