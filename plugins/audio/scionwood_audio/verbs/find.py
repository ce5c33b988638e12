"""Find the calls that are like marked ones: `scionwood audio find`, and its service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scionwood.authoring import (
    InputPath,
    LoadedRun,
    OutputPath,
    Served,
    check_target,
    print_table,
    prints,
)
from scionwood_audio.verbs.options import FindOptions

if TYPE_CHECKING:
    from scionwood_audio.inference.finding import Finding


def _print_found(finding: Finding, output: Path, options: FindOptions = FindOptions()) -> None:
    from scionwood_audio.inference.finding import COLUMNS, HELD_OUT, level_rows

    print(HELD_OUT)
    print_table(COLUMNS, level_rows(finding), numeric=COLUMNS[1:3])
    if finding.verdict:
        print(finding.verdict)
    if options.weights == "random":
        print("The network has random weights: it has learnt nothing")
    print(f"{output}: {len(finding.selections)} calls")
    if finding.run is not None:
        print(f"Use the adapter again with --run {finding.run}")


@prints(_print_found)
def find_calls(
    recording: InputPath,
    examples: InputPath,
    output: OutputPath,
    options: FindOptions = FindOptions(),
    *,
    page: OutputPath | None = None,
    force: bool = False,
) -> Finding:
    """Find the calls of a recording that are like a few marked ones.

    Templates, every layer of the frozen network and, with `--adapt`, an adapter are tried on
    examples that are held out. The level that finds them best is used, from three quarters of the
    score on that they reach where they were marked. Mark two or more calls; five help.

    Args:
        recording: the recording to search, of any length.
        examples: the marked calls: a selection table of Raven, labels of Audacity, or CSV.
        output: the found calls: `.txt` is a table of Raven, `.labels.txt` labels of Audacity,
            `.csv` CSV.
        options: how the calls are found.
        page: also write a page with spectrograms, boxes, scores and a player.
        force: replace existing files.

    Returns:
        The found calls, and what each level reached.

    Raises:
        OutputExistsError: a file exists and `force` is false. Other errors are those of `find`.
    """
    for file in [output] if page is None else [output, page]:
        check_target(file, overwrite=force)
    from scionwood_audio.inference.finding import search
    from scionwood_audio.readers.selections import write_selections

    finding = search(recording, examples, options)
    write_selections(output, finding.selections, force=force)
    if page is not None:
        from scionwood_audio.evaluation.pages import write_page

        write_page(
            recording,
            finding.selections,
            page,
            channel=options.channel,
            expand=options.expand,
            finding=finding,
            force=force,
        )
    return finding


DEFAULT = ("adapter", 0.0, (), 0.0, 2.0)
"""The result of a run that states none: an even chance, and typical log-odds of 2."""

LENGTH = 0.5
"""Seconds of a typical call for such a run."""


def find_request(
    loaded: LoadedRun,
    source: Path,
    out: Path,
    *,
    confidence: float = 0.5,
    channel: str = "mean",
    expand: float = 1.0,
) -> Served:
    """Find the calls that a run has learnt, as `scionwood audio find --run` does.

    Args:
        loaded: a run of `audio/find`, with the threshold that `audio find --adapt` has stored; a
            run without it takes an even chance.
        source: a sound, or a seismic file.
        out: the folder of the results.
        confidence: least score of a call, 0 to 1.
        channel: a channel by its number, `mean`, or `loudest`.
        expand: how many times slower the recording is heard.

    Returns:
        `found.csv` with the columns start, end, label and score; and the number of calls.

    Raises:
        TrainingError: the run is none of `audio/find`.
        RecipeError: an option is not possible.
        ReadError: the file is damaged.
        RateError: the rate, divided by `expand`, is below 8 kHz.
    """
    from scionwood_audio.inference.adapting import EVENTS, check_task, read_events
    from scionwood_audio.inference.events import Shape
    from scionwood_audio.inference.finding import searched, selected
    from scionwood_audio.inference.held_out import Result, scorer_of
    from scionwood_audio.readers.selections import write_selections

    check_task(loaded.task, loaded.folder)
    options = FindOptions(
        confidence=confidence, channel=channel, expand=expand, device=loaded.device
    )
    result, shape = Result(*DEFAULT), Shape.of([LENGTH])
    if (loaded.folder / EVENTS).is_file():
        result, shape = read_events(loaded.folder)
    scores = searched(source, scorer_of(loaded.task.backbone, options), options)
    calls = selected(scores, result, shape, [], options)
    table = out / "found.csv"
    write_selections(table, calls)
    return Served(table, values={"calls": len(calls)})
