"""What several verbs share: JSON, progress, standard input, examples and pages."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from scionwood import find_run
from scionwood.authoring import read_origin, weights_digest

if TYPE_CHECKING:
    from scionwood_bangla.checker import Findings
    from scionwood_bangla.text.examples import Example
    from scionwood_bangla.verbs.options import ExampleOptions

STDIN = "-"
"""The path that means standard input."""


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
def readable(path: Path) -> Iterator[Path]:
    """Yield a path that can be read; `-` means standard input, which is a file in the block.

    Args:
        path: the path of a file, or `-`.
    """
    if str(path) != STDIN:
        yield path
        return
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "stdin"
        copy.write_bytes(sys.stdin.buffer.read())
        yield copy


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


def load_examples(
    options: ExampleOptions, seed: int, which: Literal["seen", "unseen"]
) -> list[Example]:
    """Return examples with a register, from a file or from the generator.

    Args:
        options: the file, or the number of generated examples.
        seed: the seed of the generator.
        which: the pairs of verb and tense of generated examples: those of training (`seen`), or
            those that training never shows (`unseen`).

    Raises:
        ReadError: the file cannot be read, or none of its examples has a register.
    """
    if (data := options.data) is None:
        from scionwood_bangla.generator.make import examples

        return examples(options.n, seed=seed, which=which)
    from scionwood import ReadError
    from scionwood_bangla.readers.load import read_examples

    labelled = [example for example in read_examples(data) if example.register is not None]
    if not labelled:
        raise ReadError(str(data), "no example has a register", "Add a column such as `register`")
    return labelled


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
    from scionwood_bangla.checker.report import as_text

    parts = [Section("Before", [before]), Section("After, with its faults", [as_text(findings)])]
    target = folder / "page.html"
    target.write_text(render(Page(title, parts, language="bn")), encoding="utf-8")
    return target
