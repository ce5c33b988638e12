"""The commands `scionwood audit adapter`, `run` and `training`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scionwood.authoring import InputPath, RunPath, print_table

if TYPE_CHECKING:
    from scionwood_audit.record import Audit


def adapter(
    folder: InputPath,
    out: Path | None = None,
    *,
    reference: Path | None = None,
    probe: str | None = None,
    force: bool = False,
    json: bool = False,
) -> None:
    """Audit the folder of an adapter: structure, origin, weights, and the probes of a field.

    The exit status is 1 if the verdict is refused or anomalous.

    Args:
        folder: the folder of the adapter.
        out: the folder of the page `audit.html` and of `audit.json`; by default none is written.
        reference: a folder of runs or adapters that are trusted. At least eight must have the same
            base, method, rank and targets.
        probe: a field, or a recipe such as seismic/denoise, whose base and probes are used.
        force: replace an audit that is in the folder.
        json: print JSON.

    Raises:
        AuditError: the folder or the references do not exist, or no recipe has this base.
        OutputExistsError: there is an audit in the folder, and `force` is false.
    """
    from scionwood_audit.api import audit_adapter

    _finish(audit_adapter(folder, reference=reference, probe=probe), out, force, json)


def run(
    run: RunPath,
    out: Path | None = None,
    *,
    reference: Path | None = None,
    card: bool = False,
    force: bool = False,
    json: bool = False,
) -> None:
    """Audit a run: its files, origin, weights, behaviour, adaptive parts and corruption.

    The exit status is 1 if the verdict is refused or anomalous.

    Args:
        run: the run, by any reference.
        out: the folder of the page `audit.html` and of `audit.json`; by default none is written.
        reference: a folder of runs or adapters that are trusted.
        card: also write what the probes found into the card of the run, README.md.
        force: replace an audit that is in the folder.
        json: print JSON.

    Raises:
        AuditError: the folder holds no run; or, for `card`, no probe ran.
        OutputExistsError: there is an audit in the folder, and `force` is false.
    """
    from scionwood import find_run
    from scionwood_audit.api import audit_run, write_card

    audit = audit_run(run, reference=reference)
    if card:
        write_card(audit, find_run(run, quiet=True))
    _finish(audit, out, force, json)


def training(
    recipe: str,
    out: Path | None = None,
    *,
    override: list[str] | None = None,
    draws: int = 100_000,
    seed: int = 0,
    force: bool = False,
    json: bool = False,
) -> None:
    """Audit how a recipe corrupts its samples: draw from it, and test what its task states.

    The exit status is 1 if a property does not hold.

    Args:
        recipe: a recipe by name or file.
        out: the folder of the page `audit.html` and of `audit.json`; by default none is written.
        override: changes of the recipe, such as '[task.noise=0.1]'.
        draws: samples to draw.
        seed: the seed of the draws.
        force: replace an audit that is in the folder.
        json: print JSON.

    Raises:
        RecipeError: the recipe does not exist or is not valid.
        OutputExistsError: there is an audit in the folder, and `force` is false.
    """
    from scionwood_audit.api import audit_training

    _finish(audit_training(recipe, override or (), draws=draws, seed=seed), out, force, json)


def _finish(audit: Audit, out: Path | None, force: bool, json: bool) -> None:
    from json import dumps

    from scionwood_audit.api import write

    if json:
        print(dumps(audit.as_json(), indent=2))
    else:
        head = ("part", "check", "result", "found", "limit")
        rows = [(r.part, r.name, r.status, r.value, r.limit) for r in audit.rows]
        print_table(head, rows)
        print(f"\n{audit.subject}: {audit.verdict}")
    if out is not None:
        print(write(audit, out, force=force))
    if any(row.status == "broken" for row in audit.rows):
        raise SystemExit(1)
