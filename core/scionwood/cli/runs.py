"""The commands for runs of others, pull and runs, and the one that checks them, verify."""

from __future__ import annotations

import json as jsons
import os
from pathlib import Path

from scionwood.files.terminal import print_table
from scionwood.runs import reference as references
from scionwood.runs import seal
from scionwood.runs.cache import COMMIT, all_cached
from scionwood.runs.layout import FILES, SIGNATURE, is_finished
from scionwood.runs.manifest import check_manifest, needed_manifest, write_manifest
from scionwood.runs.origin import Origin, known_origin
from scionwood.runs.shipped import all_shipped


def pull(reference: str, *, to: Path | None = None, force: bool = False) -> None:
    """Fetch a run that somebody shared, and print its folder.

    Args:
        reference: hf:owner/name[@revision], https://host/name.zip#sha256=HEX, or plugin/name.
        to: the folder to write; without it, the run stays in the cache.
        force: replace a folder that exists.
    """
    print(references.pull(reference, to, force=force))


def runs(*, json: bool = False) -> None:
    """List the runs that plugins ship, those that were pulled, and those in runs/.

    Args:
        json: print JSON.
    """
    shipped = all_shipped().items()
    local_runs = sorted(Path("runs").iterdir()) if Path("runs").is_dir() else []
    listed_runs = [
        *(_row(reference, "shipped", run) for reference, run in shipped if is_finished(run)),
        *(_row("", "pulled", run) for run in all_cached()),
        *(_row(run.as_posix(), "local", run) for run in local_runs if is_finished(run)),
    ]
    if json:
        print(jsons.dumps(listed_runs, indent=2))
        return
    if not listed_runs:
        print("There are no runs yet. Train one: scionwood fit RECIPE (see: scionwood plugins)")
        return
    rows = [list(run.values())[:-1] for run in listed_runs]
    rows = [[name, kind, version[:12], *texts] for name, kind, version, *texts in rows]
    print_table(("run", "kind", "version", "scope", "score"), rows)


def _row(reference: str, kind: str, folder: Path) -> dict[str, str]:
    """Return what a list of runs says of one: what names it in a command, and what is known."""
    origin = known_origin(folder)
    facts = {"version": origin.version, "scope": origin.scope, "score": origin.score}
    name = reference or _reference(origin)
    return {"reference": name, "kind": kind, **facts, "folder": str(folder)}


def _reference(origin: Origin) -> str:
    if origin.name.startswith("hf:"):
        repository = origin.name.partition("@")[0]
        return f"{repository}@{origin.version}" if COMMIT.fullmatch(origin.version) else repository
    return f"{origin.name}#sha256={origin.version}"


def verify(run: str, *, key: Path | None = None, write: bool = False) -> None:
    """Check that the files of a run or an adapter are as its manifest states, and who signed them.

    Args:
        run: the run, by any reference, or the folder of an adapter.
        key: the public key of its author, or a folder of keys; by default those that
            SCIONWOOD_REQUIRE_SIGNED names. Without any, the signature is not checked.
        write: write the manifest and the hash of the tensors anew, for a run made before or changed
            by yourself. A signature is removed.
    """
    folder = references.locate(run)
    if write:
        from scionwood.adapters.content import restate

        restate(folder)
        write_manifest(folder)
    content, entries = needed_manifest(folder)
    keys = key or os.environ.get(seal.VARIABLE)
    by = seal.verify(folder, content, seal.public_keys(keys)) if keys else None
    check_manifest(folder, entries)
    print(f"{folder}: {len(entries)} files are as {FILES} states; {_signed(folder, by)}")


def _signed(folder: Path, by: Path | None) -> str:
    if by is not None:
        return f"signed by {by.name}"
    if (folder / SIGNATURE).exists():
        return "the signature was not checked: name a key with --key"
    return "not signed"
