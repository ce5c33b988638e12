"""The commands that share runs: push, pull and runs."""

from __future__ import annotations

import json as jsons
from dataclasses import asdict
from pathlib import Path

from scionwood.files.terminal import print_table
from scionwood.recipes.arguments import RunPath
from scionwood.runs import listing, publish
from scionwood.runs import pull as pulling


def push(run: RunPath, target: str, *, public: bool = False, force: bool = False) -> None:
    """Share a run on the hub, or as a zip archive.

    Args:
        run: the run folder, or another reference to a run.
        target: owner/name on the hub, or a file whose name ends in .zip.
        public: let everybody read the repository; without it, it is private.
        force: replace the run in a repository that holds files, or an archive that exists.
    """
    print(publish.push(run, target, public=public, force=force))


def pull(reference: str, *, to: Path | None = None, force: bool = False) -> None:
    """Fetch a run that somebody shared, and print its folder.

    Args:
        reference: hf:owner/name[@revision], https://host/name.zip#sha256=HEX, or plugin/name.
        to: the folder to write; without it, the run stays in the cache.
        force: replace a folder that exists.
    """
    print(pulling.pull(reference, to, force=force))


def runs(*, json: bool = False) -> None:
    """List the runs that plugins ship, those that were pulled, and those in runs/.

    Args:
        json: print JSON.
    """
    listed_runs = listing.known_runs()
    if json:
        print(jsons.dumps([asdict(run) for run in listed_runs], indent=2))
        return
    if not listed_runs:
        print("There are no runs yet. Train one: scionwood fit RECIPE (see: scionwood plugins)")
        return
    rows = [
        (run.reference, run.kind, run.version[:12], run.scope, run.score) for run in listed_runs
    ]
    print_table(("run", "kind", "version", "scope", "score"), rows)
