"""Audit adapters, runs and recipes: `scionwood audit adapter | run | training`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scionwood.authoring import InputPath, RunPath, print_table, prints

if TYPE_CHECKING:
    from scionwood_audit.record import Audit


def _print_audit(audit: Audit, *, out: Path | None = None, json: bool = False) -> int:
    """Print an audit; the exit code is 1 if a rule is broken.

    Args:
        audit: the audit.
        out: the folder of its page.
        json: print JSON.
    """
    from json import dumps

    from scionwood_audit.audits import PAGE

    if json:
        print(dumps(audit.as_json(), indent=2))
    else:
        head = ("part", "check", "result", "found", "limit")
        print_table(head, [(r.part, r.name, r.status, r.value, r.limit) for r in audit.rows])
        print(f"\n{audit.subject}: {audit.verdict}")
    if out is not None:
        print(out / PAGE)
    return int(any(row.status == "broken" for row in audit.rows))


@prints(_print_audit)
def audit_adapter(
    folder: InputPath,
    out: Path | None = None,
    *,
    reference: Path | None = None,
    probe: str | None = None,
    force: bool = False,
) -> Audit:
    """Audit the folder of an adapter: structure, origin, weights, and the probes of a field.

    The exit status is 1 if the verdict is refused or anomalous.

    Args:
        folder: the folder of the adapter, which `save_adapter` or peft wrote.
        out: the folder of the page `audit.html` and of `audit.json`; by default none is written.
        reference: a folder of runs or adapters that are trusted. At least 19 must have the same
            base, method, rank and targets.
        probe: a recipe such as seismic/denoise, whose base and probes are used.
        force: replace an audit that is in the folder.

    Raises:
        AuditError: the folder or the references do not exist.
        RecipeError: the recipe does not exist.
        OutputExistsError: there is an audit in the folder, and `force` is false.

    Example:
        >>> from scionwood_audit import audit_adapter
        >>> folder = scionwood.find_run("seismic/denoise", quiet=True) / "adapter"
        >>> audit_adapter(folder).counts()["structure"].get("broken", 0)
        0
    """
    from scionwood_audit.audits import check_out, of_adapter, write

    check_out(out, force)
    audit = of_adapter(Path(folder), reference, probe)
    if out is not None:
        write(audit, out, force=force)
    return audit


@prints(_print_audit)
def audit_run(
    run: RunPath,
    out: Path | None = None,
    *,
    reference: Path | None = None,
    data: list[str] | None = None,
    group: str = "",
    card: bool = False,
    force: bool = False,
) -> Audit:
    """Audit a run: its files, origin, behaviour, weights and corruption.

    The exit status is 1 if the verdict is refused or anomalous.

    Args:
        run: the run, by any reference. The files of a folder are not checked before the audit, so
            that every fault becomes a row.
        out: the folder of the page `audit.html` and of `audit.json`; by default none is written.
        reference: a folder of runs or adapters that are trusted.
        data: labelled data of your own, as changes of the recipe: '[data.source=/mine]'. Accuracy,
            calibration and groups are measured, the answers are compared with those of the base, of
            the references and of the card, and a search looks for triggers.
        group: the entry of a batch that names the group of each sample; by default its label.
        card: also write what the probes found into the card of the run, README.md.
        force: replace an audit that is in the folder.

    Raises:
        AuditError: the folder holds no run; or, for `card`, no probe ran.
        OutputExistsError: there is an audit in the folder, and `force` is false.

    Example:
        >>> from scionwood_audit import audit_run
        >>> audit = audit_run("seismic/denoise")
        >>> sorted({row.part for row in audit.rows})
        ['behaviour', 'origin', 'structure', 'training', 'weights']
    """
    from scionwood import find_run
    from scionwood_audit.audits import check_out, of_finished_run, write
    from scionwood_audit.evaluation.carded import write_card

    check_out(out, force)
    audit = of_finished_run(run, reference, data or (), group)
    if card:
        write_card(audit, find_run(run, quiet=True))
    if out is not None:
        write(audit, out, force=force)
    return audit


@prints(_print_audit)
def audit_training(
    recipe: str,
    out: Path | None = None,
    *,
    override: list[str] | None = None,
    draws: int = 100_000,
    seed: int = 0,
    force: bool = False,
) -> Audit:
    """Audit how a recipe corrupts its samples: draw from it, and test what its task states.

    The exit status is 1 if a property does not hold.

    Args:
        recipe: a recipe by name or file.
        out: the folder of the page `audit.html` and of `audit.json`; by default none is written.
        override: changes of the recipe, such as '[task.noise=0.1]'.
        draws: samples to draw.
        seed: the seed of the draws.
        force: replace an audit that is in the folder.

    Raises:
        RecipeError: the recipe does not exist or is not valid.
        OutputExistsError: there is an audit in the folder, and `force` is false.

    Example:
        >>> from scionwood_audit import audit_training
        >>> audit = audit_training("pde/dynamics", override=["task.noise=0.1"], draws=2000)
        >>> [row.name for row in audit.rows if row.status == "broken"]
        []
    """
    from scionwood_audit.audits import check_out, of_training, write

    check_out(out, force)
    audit = of_training(recipe, override or [], draws, seed)
    if out is not None:
        write(audit, out, force=force)
    return audit
