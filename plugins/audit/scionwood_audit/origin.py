"""Origin: the base, the recipe, the versions, the hashes and the signature of an adapter."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from scionwood import ScionwoodError, adapters
from scionwood.authoring import read_origin
from scionwood_audit.record import Row

SIGNED = "SCIONWOOD_REQUIRE_SIGNED"
"""The variable that makes loading refuse what none of its keys signed."""

_UNKNOWN = "not stated"


def origin(folder: Path, run: Path | None) -> list[Row]:
    """State where an adapter comes from, and what is not known about it.

    Args:
        folder: the folder of the adapter.
        run: the run folder in which it lies, or None.
    """
    record = _record(folder)
    return [
        _base(record),
        _recipe(run),
        _versions(record),
        _tensors(folder, record),
        _signature(folder, run or folder),
        *_source(run),
    ]


def _record(folder: Path) -> dict[str, Any]:
    try:
        return adapters.read_json(folder / "scionwood.json")
    except ScionwoodError:  # a row of the structure names it
        return {}


def _base(record: dict[str, Any]) -> Row:
    base = record.get("base")
    sha256 = str(base.get("sha256", ""))[:64] if isinstance(base, dict) else ""
    if not sha256:
        why = "an adapter of plain peft states no base; it may have been made for another one"
        return Row("origin", "base", "skipped", _UNKNOWN, reason=why)
    weights = str(base.get("weights", "")) if isinstance(base, dict) else ""
    return Row("origin", "base", "note", f"SHA-256 {sha256[:16]}", reason=weights[:200])


def _recipe(run: Path | None) -> Row:
    if run is None or not (run / "recipe.yaml").is_file():
        why = "without a recipe nobody can repeat the training"
        return Row("origin", "recipe", "skipped", _UNKNOWN, reason=why)
    from scionwood import resolve

    try:
        recipe = resolve(run / "recipe.yaml")
    except ScionwoodError as error:
        return Row("origin", "recipe", "broken", error.value, reason=error.rule)
    value = f"{recipe.task.name} on {recipe.backbone.name}, seed {recipe.seed}"
    return Row("origin", "recipe", "note", value, reason=f"data {recipe.data.name}")


def _versions(record: dict[str, Any]) -> Row:
    versions = record.get("versions")
    if not isinstance(versions, dict):
        return Row("origin", "versions", "skipped", _UNKNOWN)
    value = ", ".join(f"{name} {number}" for name, number in sorted(versions.items()))
    return Row("origin", "versions", "note", value[:200])


def _tensors(folder: Path, record: dict[str, Any]) -> Row:
    try:
        digest = adapters.tensors_hash(
            adapters.read_untrusted(folder / "adapter_model.safetensors")
        )
    except ScionwoodError:  # a row of the structure names it
        return Row("origin", "hash of the tensors", "skipped", "the tensors cannot be read")
    has_hash = isinstance(record.get("tensors"), dict) and "adapter" in record["tensors"]
    why = "stated in scionwood.json and compared, see structure"
    if not has_hash:
        why = "computed here: an earlier version saved the folder, and states no hash"
    return Row("origin", "hash of the tensors", "note", digest[:16], reason=why)


def _signature(folder: Path, home: Path) -> Row:
    if os.environ.get(SIGNED):
        try:
            adapters.read_folder(folder)  # as before every load: by a required key, or refused
        except ScionwoodError as error:
            return Row("origin", "signature", "broken", error.value, reason=error.rule)
        return Row("origin", "signature", "kept", "by a required key", reason=f"{SIGNED} is set")
    if not (home / "signature.json").is_file():
        return Row("origin", "signature", "skipped", "none", reason="anybody may have made it")
    why = f"name the author's key: scionwood verify {home.name} --key KEY"
    return Row("origin", "signature", "skipped", "there is one, not checked", reason=why)


def _source(run: Path | None) -> list[Row]:
    origin = read_origin(run) if run is not None else None
    if origin is None:
        return [Row("origin", "source", "note", "made here, or its source is not stated")]
    return [Row("origin", "source", "note", str(origin))]
