"""What several verbs share: JSON, progress and pages."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bangla_checker import Findings, as_text
from scionwood import find_run
from scionwood.authoring import read_origin, weights_digest


def print_json(value: object) -> None:
    """Print a value as indented JSON, with Bangla letters as they are."""
    print(json.dumps(value, ensure_ascii=False, indent=1))


def made_by(run: str | Path) -> dict[str, str]:
    """Return the name of a run and the SHA-256 of its weights, for a record of results.

    Args:
        run: the run folder, or another reference to a run.
    """
    folder = find_run(run)
    name = read_origin(folder) or folder.resolve().name
    return {"run": str(name), "digest": weights_digest(folder)}


@contextmanager
def progress_bar(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on stderr for a block, and yield a function that sets it.

    Args:
        label: the unit that is counted.
        total: the number at which the bar is full.
    """
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(label, total=total)
        yield lambda count: progress.update(bar, completed=count)


def write_page(folder: Path, title: str, before: str, findings: Findings) -> Path:
    """Write a page with a text, and a text with its faults of address.

    Args:
        folder: the folder of the page.
        title: the title.
        before: the text.
        findings: the text with its faults.

    Returns:
        The page.
    """
    from scionwood.authoring import Page, Section, render

    parts = [Section("Before", [before]), Section("After, with its faults", [as_text(findings)])]
    target = folder / "page.html"
    target.write_text(render(Page(title, parts, language="bn")), encoding="utf-8")
    return target
