"""Find the calls in the recording of a request: a sound in, a table out."""

from __future__ import annotations

from pathlib import Path

from scionwood import TrainingError
from scionwood.authoring import LoadedRun, Served
from scionwood_audio.verbs.options import FindOptions

EVEN = 0.0
"""The log-odds of an even chance: the threshold of a run that states none."""

SURE, LENGTH = 2.0, 0.5
"""The log-odds of a typical call, and its seconds, for such a run."""


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
    from scionwood_audio.inference.adapting import EVENTS, read_events
    from scionwood_audio.inference.events import Shape
    from scionwood_audio.inference.finding import searched, selected
    from scionwood_audio.inference.held_out import Result, network_scorer
    from scionwood_audio.readers.selections import write_selections
    from scionwood_audio.tasks.find import Find

    if not isinstance(loaded.task, Find):
        rule = f"its task is {type(loaded.task).__name__}, and audio/find is needed"
        raise TrainingError(str(loaded.folder), rule, "Train one: scionwood audio find --adapt")
    options = FindOptions(
        confidence=confidence, channel=channel, expand=expand, device=loaded.device
    )
    result, shape = Result("adapter", 0.0, (), EVEN, SURE), Shape.of([LENGTH])
    if (loaded.folder / EVENTS).is_file():
        result, shape = read_events(loaded.folder / EVENTS)
    scores = searched(source, network_scorer(loaded.task.backbone, options), options)
    calls = selected(scores, result, shape, [], options)
    table = out / "found.csv"
    write_selections(table, calls)
    return Served(table, values={"calls": len(calls)})
