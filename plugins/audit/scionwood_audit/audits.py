"""Put the parts of an audit together: of an adapter's folder, of a run, and of a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from scionwood import (
    OutputExistsError,
    ScionwoodError,
    Task,
    adapters,
    build,
    find_run,
    load_adapter,
    load_head,
    load_run,
    resolve,
)
from scionwood.authoring import with_base
from scionwood_audit.behaviour.own_data import batches_of, rows_of_data
from scionwood_audit.behaviour.probes import behaviour
from scionwood_audit.cohort import comparable, compare, weights_of
from scionwood_audit.corruption.registered import of_recipe, of_run
from scionwood_audit.evaluation.shown import write_page
from scionwood_audit.origin import origin
from scionwood_audit.record import Audit, AuditError, Row, write_json
from scionwood_audit.structure import rows_of, structure

PAGE, DATA = "audit.html", "audit.json"


def of_adapter(folder: Path, reference: Path | None, probe: str | None) -> Audit:
    """Return the audit of the folder of an adapter; see `audit_adapter`."""
    if not folder.is_dir():
        raise AuditError(f"adapter {folder}", "there is no such folder", "Check the path")
    run = folder.parent if (folder.parent / "recipe.yaml").is_file() else None
    recipe: Any = resolve(probe) if probe else None
    if recipe is not None and run is not None:
        recipe = with_base(run, recipe)
    model = recipe.backbone.build() if recipe is not None else None
    rows = [*structure(folder, model), *origin(folder, run)]
    if recipe is not None and model is not None and not _broken(rows):
        rows += behaviour(_task(recipe, folder), (recipe.task.name, recipe.data.name), run)
    return _compared(folder.as_posix(), rows, folder, reference)


def of_finished_run(
    run: str | Path, reference: Path | None, data: Sequence[str] = (), group: str = ""
) -> Audit:
    """Return the audit of a run; see `audit_run`."""
    place = Path(run)
    place = place if place.is_dir() else Path(find_run(run))
    if not (place / "recipe.yaml").is_file():
        rule = "it has no recipe.yaml, so it is no run"
        raise AuditError(f"run {place}", rule, "For an adapter alone: scionwood audit adapter")
    folder = place / "adapter"
    rows = _files(place, folder)
    task = None if _broken(rows) else _loaded(place, rows)
    if task is not None:
        recipe = resolve(place / "recipe.yaml")
        rows += behaviour(task, (recipe.task.name, recipe.data.name), place)
        rows += _on_data(task, with_base(place, recipe), place, reference, data, group)
        rows += of_run(task, folder)
    return _compared(Path(run).as_posix(), rows, folder, reference)


def of_training(recipe: str, overrides: Sequence[str], draws: int, seed: int) -> Audit:
    """Return the audit of the corruption of a recipe; see `audit_training`."""
    resolved = resolve(recipe, list(overrides), smoke=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(resolved.seed)
        task, data = build(resolved)
        rows = of_recipe(task, data, draws=draws, seed=seed)
    return Audit(f"training of {resolved.name}", rows, facts=_facts())


def check_out(out: str | Path | None, force: bool) -> None:
    """Refuse a folder that holds an audit, before the audit is made.

    Args:
        out: the folder.
        force: do not refuse it.

    Raises:
        OutputExistsError: there is an audit already, and `force` is false.
    """
    if out is None or force:
        return
    for path in (Path(out) / PAGE, Path(out) / DATA):
        if path.exists():
            raise OutputExistsError(str(path), "it exists", "Replace it: --force")


def write(audit: Audit, out: str | Path, *, force: bool = False) -> Path:
    """Write an audit as `audit.html` and `audit.json`.

    Args:
        audit: the audit.
        out: the folder; it is created if it is missing.
        force: replace an audit that is in the folder.

    Returns:
        The page.

    Raises:
        OutputExistsError: there is an audit already, and `force` is false.
        WriteError: the disk is full or not writable.

    Example:
        >>> from scionwood_audit import Audit, write
        >>> write(Audit("a folder", []), "audited").name
        'audit.html'
    """
    check_out(out, force)
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    write_json(audit, out / DATA)
    write_page(audit, out / PAGE)
    return out / PAGE


def _files(place: Path, folder: Path) -> list[Row]:
    """Return structure and origin; of a run without an adapter only the files of the run."""
    if not folder.is_dir():
        findings = [item for item in adapters.inspect_folder(place) if item.rule == "files.json"]
        why = "the run has none: it trained the weights of the backbone itself"
        return [
            *rows_of(findings),
            Row("structure", "adapter", "skipped", why),
            *origin(folder, place),
        ]
    try:
        with torch.random.fork_rng(devices=[]):
            model = with_base(place, resolve(place / "recipe.yaml")).backbone.build()
    except ScionwoodError as error:
        row = Row("structure", "backbone", "broken", error.value, reason=error.rule)
        return [row, *structure(folder, None), *origin(folder, place)]
    return [*structure(folder, model), *origin(folder, place)]


def _loaded(place: Path, rows: list[Row]) -> Task | None:
    try:
        return load_run(place)
    except ScionwoodError as error:
        rows.append(Row("structure", "the run loads", "broken", error.value, reason=error.rule))
        return None


def _compared(subject: str, rows: list[Row], folder: Path, reference: Path | None) -> Audit:
    if reference is None:
        why = "name a folder of trusted runs: --reference DIR"
        rows.append(Row("weights", "references", "skipped", "no reference", reason=why))
        return Audit(subject, rows, None, _facts())
    if not reference.is_dir():
        raise AuditError(f"references {reference}", "there is no such folder", "Check the path")
    more, count = compare(folder, reference)
    return Audit(subject, [*rows, *more], count, _facts())


def _on_data(
    task: Task, recipe: Any, place: Path, reference: Path | None, data: Sequence[str], group: str
) -> list[Row]:
    """Return what labelled data of the user say, beside the references that are comparable."""
    if not data:
        why = "name yours: --data '[data.source=/mine]'; they find more than the weights"
        return [Row("behaviour", "labelled data", "skipped", "none", reason=why)]
    weights, others = weights_of(place / "adapter"), []
    if reference is not None and not isinstance(weights, str):
        folders, _ = comparable(weights, reference, place / "adapter")
        others = [_task(recipe, folder) for folder in folders]
    return rows_of_data(task, batches_of(recipe, data), group, place / "README.md", others)


def _task(recipe: Any, folder: Path) -> Task:
    """Return the task of a recipe with an adapter, and with the head that lies beside it."""
    task: Task = recipe.task.build(load_adapter(recipe.backbone.build(), folder))
    if (head := folder.parent / "head.safetensors").is_file():
        load_head(task.backbone, head)
    return task.eval()


def _broken(rows: Sequence[Row]) -> bool:
    return any(row.status == "broken" for row in rows)


def _facts() -> dict[str, str]:
    return {name: version(name) for name in ("scionwood", "scionwood-audit", "torch", "peft")}
