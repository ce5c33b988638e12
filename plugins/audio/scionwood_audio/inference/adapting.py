"""An adapter for marked calls: trained, tried on held-out examples, and applied again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from scionwood import ReadError, RecipeError, Task, TrainingError, find_run, fit, load_run, resolve
from scionwood.authoring import changing, read_utf8
from scionwood_audio.data.call_scenes import Parts
from scionwood_audio.errors import WindowMismatchError
from scionwood_audio.inference.events import Shape
from scionwood_audio.inference.held_out import (
    Levels,
    Result,
    Scorer,
    gains,
    scenes_of,
    scorer_of,
    summary,
    thresholds,
)
from scionwood_audio.readers.selections import Selection, write_selections
from scionwood_audio.tasks.find import Find
from scionwood_audio.verbs.options import FindOptions

EVENTS = "events.json"
"""The file of a run that holds its threshold and the shape of its events."""

HALVES = ((0, 1), (2, 3, 4))
"""Folds of the examples that the two trials of an adapter do not see."""


def adapted(
    recording: str | Path,
    examples: str | Path | Sequence[Selection],
    options: FindOptions,
    levels: Levels,
) -> tuple[Result, Path | None, str]:
    """Try an adapter on examples that it has not seen; if it wins, train it on all.

    Two trials share the examples, so that each one is scored where it was marked by an adapter that
    has not learnt from it. The adapter wins if it leads the best level without one in place by more
    than one standard error over the examples.

    Returns:
        What the adapter reaches, its run if it won, and a sentence on what it gained.
    """
    places = levels.parts.places
    if not places:
        rule = "silence surrounds the examples, so that nothing tells whether an adapter gains"
        raise RecipeError("adapt", rule, "Mark calls in the recording in which they were sung")
    scored: dict[int, Any] = {}
    placed: dict[int, Any] = {}
    with TemporaryDirectory() as folder:
        changes = overrides(recording, examples, options, Path(folder))
        for number, half in enumerate(HALVES if len(levels.folds) > 2 else ((0,), (1,))):
            left_out = [fold for fold in half if fold in levels.folds]
            changes["data.held_folds"] = left_out
            trial = fit("audio/find_five", run_dir=f"{folder}/run{number}", overrides=changes)
            score = run_scorer(trial, options)
            for fold in left_out:
                scored[fold] = score([levels.scenes[fold].samples]), levels.scenes[fold]
                for at in range(fold, len(places), len(levels.folds)):
                    placed[at] = score([places[at].samples]), places[at]
        in_order = [placed[at] for at in range(len(places))]
        result = summary("adapter", [*scored.values()], in_order, levels.shape)
        lead, error = gains(result, levels.best)
        verdict = (
            f"In place the adapter leads {levels.best.level} by {100 * lead:.1f} points, with a "
            f"standard error of {100 * error:.1f}: it is {'used' if lead > error else 'not used'}"
        )
        if lead <= error:
            return result, None, verdict
        run = Path(fit("audio/find_five", overrides={**changes, "data.held_folds": []}))
    # The scores of the run may be smaller than those of the trials, whose threshold it gets.
    score = run_scorer(run, options)
    again = thresholds([(score([place.samples]), place) for place in places], levels.shape)
    threshold, typical = min((result.threshold, result.typical), again)
    result = result._replace(threshold=threshold, typical=typical)
    write_events(run, result, levels.shape)
    return result, run, verdict


def run_scorer(run: str | Path, options: FindOptions) -> Scorer:
    """Return the scorer of a finished run."""
    return scorer_of(load_run(run, options.device).backbone, options)


def overrides(
    recording: str | Path,
    examples: str | Path | Sequence[Selection],
    options: FindOptions,
    folder: Path,
) -> dict[str, Any]:
    """Return the keys of the recipe that say what is learnt from which files."""
    if not isinstance(examples, str | Path):
        write_selections(folder / "examples.csv", examples)
        examples = folder / "examples.csv"
    window = options.window or 3.0
    return {
        "backbone.weights": options.weights,
        "backbone.window": window,
        "data.window": window,
        "data.recording": str(Path(options.source or recording).resolve()),
        "data.selections": str(Path(examples).resolve()),
        "data.label": options.label or "",
        "data.backgrounds": [str(path.resolve()) for path in options.backgrounds or []],
        "data.others": [str(path.resolve()) for path in options.others or []],
        "data.assume_complete": options.assume_complete,
        "data.channel": options.channel,
        "data.expand": options.expand,
        "data.seed": options.seed,
        "trainer.accelerator": "cpu" if options.device == "cpu" else "gpu",
        "seed": options.seed,
    }


def applied(options: FindOptions, parts: Parts, shape: Shape) -> tuple[Result, Shape, Scorer]:
    """Return the level of a finished run, the shape of its events, and its scorer.

    A run without a threshold of its own gets one from the examples.
    """
    assert options.run is not None
    folder = find_run(options.run)
    window = float(resolve(folder / "recipe.yaml").backbone.options.get("window", 3.0))
    if options.window is not None and options.window != window:
        rule = f"{options.run} was trained with a window of {window:g} s, and scores depend on it"
        raise WindowMismatchError(f"window {options.window:g}", rule, "Leave the window out")
    task = load_run(folder, options.device)
    check_task(task, folder)
    score = scorer_of(task.backbone, options)
    if (folder / EVENTS).is_file():
        return *read_events(folder), score
    scored = [(score([scene.samples]), scene) for scene in scenes_of(parts, options.seed)]
    placed = [(score([place.samples]), place) for place in parts.places]
    return summary("adapter", scored, placed, shape), shape, score


def check_task(task: Task, run: Path) -> None:
    """Refuse a run that does not find calls."""
    if not isinstance(task, Find):
        rule = f"its task is {type(task).__name__}, and audio/find is needed"
        raise TrainingError(str(run), rule, "Train one: scionwood audio find --adapt")


def write_events(run: Path, result: Result, shape: Shape) -> None:
    """Write the threshold and the shape of the events beside the adapter of a run."""
    with changing(run, [EVENTS]):
        (run / EVENTS).write_text(json.dumps([result._asdict(), asdict(shape)], indent=1), "utf-8")


def read_events(run: Path) -> tuple[Result, Shape]:
    """Read what `write_events` wrote."""
    path = run / EVENTS
    try:
        result, shape = json.loads(read_utf8(path))
        numbers = {name: float(result[name]) for name in ("ap", "threshold", "typical")}
        places = tuple(map(float, result["places"]))
        positions = Shape(*(int(shape[name]) for name in ("smooth", "shortest", "gap")))
    except (ValueError, KeyError, TypeError) as error:
        remedy = "Delete it: the threshold is then computed from the examples"
        raise ReadError(str(path), f"it holds no threshold of events ({error})", remedy) from error
    return Result("adapter", places=places, **numbers), positions
