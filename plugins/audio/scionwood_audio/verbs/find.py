"""Find the calls that are like marked ones: `scionwood audio find`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scionwood.authoring import InputPath, OutputPath, check_target, print_table, prints
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
        RecipeError: there are fewer than two examples.
        ReadError: a file is damaged, or an example lies outside of its recording.
        RateError: an example is above the band that is heard; the error names `expand`.
        WindowMismatchError: the run was trained with another window.
        OutputExistsError: a file exists and `force` is false.
    """
    check_target(output, overwrite=force)
    if page is not None:
        check_target(page, overwrite=force)
    from scionwood_audio.inference.finding import search
    from scionwood_audio.readers.selections import write_selections

    finding = search(recording, examples, options)
    write_selections(output, finding.selections, force=force)
    if page is not None:
        from scionwood_audio.evaluation.found_page import write_found_page

        write_found_page(recording, finding, options, page, force=force)
    return finding
