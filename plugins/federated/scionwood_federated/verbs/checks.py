"""Look for a bad site: `scionwood federated check | losses`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from scionwood.authoring import InputPath, OutputPath, print_table

Ways = Literal["cosine", "losses"]


def check(
    updates: list[Path],
    *,
    start: InputPath | None = None,
    way: Ways = "cosine",
    json: bool = False,
) -> None:
    """Rank sites by how unlike the others their updates are.

    The ranking is evidence and never a ban. A backdoor passes it. In the first two rounds all
    sites move away from zero, and the cosine says little.

    Args:
        updates: the folders that the sites sent, at least three; for the way losses, the files
            that `losses` wrote at each site.
        start: what the round started from. Without it the adapters are compared as they are.
        way: cosine; or losses, by what sites measured of each other.
        json: print JSON.

    Raises:
        FederationError: there are fewer than three updates, or they do not fit together.
        AdapterFileError: a folder is damaged or hostile.
    """
    from scionwood_federated.privacy.folders import is_encrypted, refuse_single

    if way == "losses":
        early, scores = False, _by_losses(updates)
    else:
        if any(is_encrypted(folder) for folder in updates):
            refuse_single("check")
        early, scores = _by_updates(updates, start)
    if json:
        from json import dumps

        print(dumps([score._asdict() for score in scores], indent=2))
        return
    measure = "worse by" if way == "losses" else "1 - cosine"
    rows = [(s.site, f"{s.score:.3f}", "unlike the others" if s.apart else "") for s in scores]
    print_table(["site", measure, ""], rows, numeric=[measure])
    if early:
        print("This is one of the first two rounds, in which the ranking says little")


def losses(
    updates: list[Path],
    recipe: InputPath,
    out: OutputPath,
    *,
    site: str,
    override: list[str] | None = None,
) -> None:
    """Measure at a site what the updates of all sites reach on its own data.

    The file goes to whoever checks: `scionwood federated check FILES --way losses`. It holds one
    number for each update. The score must be a loss.

    Args:
        updates: the folders that all sites sent.
        recipe: this site's copy of the recipe.
        out: the JSON file to write.
        site: the name of this site.
        override: the options that are the site's own, such as '[data.source=/data/scans]'.

    Raises:
        FederationError: the updates do not fit together or to the recipe, or a larger score is
            better.
        AdapterFileError: a folder is damaged or hostile.
        OutputExistsError: the file exists.
    """
    from scionwood.authoring import check_target
    from scionwood_federated.privacy.folders import is_encrypted, refuse_single
    from scionwood_federated.simulation.crossing import losses_at
    from scionwood_federated.update.folder import read_update, write_json

    if any(is_encrypted(folder) for folder in updates):
        refuse_single("losses")
    check_target(out, overwrite=False)
    losses_of_updates = losses_at(recipe, [read_update(path) for path in updates], override or [])
    write_json(Path(out), {"site": site, "losses": losses_of_updates})
    print(out)


def _by_updates(updates: list[Path], start: Path | None) -> tuple[bool, list[Any]]:
    from scionwood_federated.checks import rank_sites
    from scionwood_federated.update.folder import read_start, read_update
    from scionwood_federated.update.together import check_together

    begun = None if start is None else read_start(start)
    sent = [read_update(folder) for folder in updates]
    check_together(sent, "exact", begun)
    return sent[0].about.round < 3, rank_sites(sent, begun)


def _by_losses(files: list[Path]) -> list[Any]:
    from scionwood import adapters
    from scionwood_federated.checks import rank_by_losses
    from scionwood_federated.update.record import FederationError

    table = {}
    for path in files:
        record = adapters.read_json(path)
        row: Any = record.get("losses")
        values = row.values() if isinstance(row, dict) else [None]
        good = all(isinstance(value, int | float) and abs(value) < 1e30 for value in values)
        if not good or not isinstance(record.get("site"), str):
            remedy = "Write it at the site: scionwood federated losses"
            raise FederationError(str(path), "it holds no losses of a site", remedy)
        table[record["site"]] = {str(k): float(v) for k, v in row.items()}
    return rank_by_losses(table)
