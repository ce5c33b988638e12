"""Words in a recording: `scionwood audio spot`, `enrol` and `compare`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scionwood import ReadError, RecipeError, TrainingError
from scionwood.authoring import (
    InputPath,
    OutputPath,
    RunPath,
    check_target,
    print_table,
    prints,
    read_utf8,
)

if TYPE_CHECKING:
    from scionwood_audio.readers.selections import Selection


def compare(runs: list[str]) -> None:
    """Print what each run measured on its validation, and from how many clips an arm pays.

    An arm is a score with an adapter. Train it with several `data.shots`, in one run each. An arm
    that never exceeds the untrained likelihood of the decoder, `zero_shot`, is not recommended.

    Args:
        runs: runs of `audio/keyword` on the same data, finished and validated.

    Raises:
        TrainingError: a run is not finished, has no validation, or is of another validation set.

    Example:
        >>> import scionwood
        >>> from scionwood_audio import compare
        >>> recipe = scionwood.resolve("audio/words_new_language", smoke=True)
        >>> run = scionwood.fit(recipe, run_dir="runs/eight")
        >>> compare(["runs/eight"])  # doctest: +ELLIPSIS
        run ...
    """
    from scionwood import find_run, resolve
    from scionwood_audio.evaluation.trials import advice
    from scionwood_audio.inference.spotting import recorded

    rows, arms, zeros = [], dict[str, dict[int, float]](), set[float]()
    for name in runs:
        values = recorded(name)
        if not {"hard", "zero_shot"} <= values.keys():
            rule = "its validation measured no `hard` and `zero_shot`"
            raise TrainingError(f"run {name}", rule, "Train audio/keyword with task.compare true")
        recipe = resolve(find_run(name) / "recipe.yaml")
        clips = recipe.data.options.get("shots") or 0
        score = recipe.task.options.get("score", "likelihood")
        arm = f"{score}, {recipe.adapter.name}"
        arms.setdefault(arm, {})[clips] = values["hard"]
        zeros.add(round(values["zero_shot"], 3))
        numbers = [f"{values[key]:.1f}" for key in ("easy", "hard", "zero_shot")]
        rows.append((name, arm, str(clips or "all"), *numbers))
    if len(zeros) > 1:
        rule = f"their zero-shot differs: {', '.join(map(str, sorted(zeros)))}"
        raise TrainingError("runs", rule, "Compare runs with the same data and seed")
    print_table(("run", "arm", "clips", "easy", "hard", "zero-shot hard"), rows)
    print(*advice(arms, zeros.pop()), sep="\n")


def enrol(
    clips: list[Path],
    target: OutputPath,
    *,
    word: str | None = None,
    force: bool = False,
) -> None:
    """Store clips of words for `scionwood audio spot --enrolled`; nothing is trained.

    A clip is compared by dynamic time warping on layer 2 of the frozen encoder. One clip of a
    speaker finds the same word of the same speaker; for other speakers, train with texts.

    Args:
        clips: sounds, one take of one word each; `una_rana.2.wav` says `una rana`.
        target: the file to write, .npz.
        word: what all clips say, whatever their names are.
        force: replace the file if it exists.

    Raises:
        ReadError: a clip is damaged or missing.
        WriteError: the file cannot be written.

    Example:
        >>> from pathlib import Path
        >>> from scionwood_audio import enrol
        >>> from scionwood_audio.readers.sound import SoundReader
        >>> SoundReader.write_sample(Path("frog.wav"))
        >>> enrol([Path("frog.wav")], Path("frog.npz"))
        1 clips of 1 words: frog.npz
    """
    from scionwood_audio.inference.enrolment import write_enrolment
    from scionwood_audio.inference.sounds import read_sound

    check_target(target, overwrite=force)
    takes = []
    for clip in clips:
        if not clip.is_file():
            raise ReadError(str(clip), "there is no such file", "Name the sounds, then OUT.npz")
        takes.append((word or clip.name.split(".")[0].replace("_", " "), read_sound(clip)))
    write_enrolment(takes, target, overwrite=force)
    print(f"{len(takes)} clips of {len({word for word, _ in takes})} words: {target}")


ROWS_SHOWN = 20
"""Rows that are printed; the file has all."""


@dataclass(frozen=True, kw_only=True)
class SpotOptions:
    """How a recording is searched for words.

    Attributes:
        run: a run of `audio/keyword`; without one Whisper's own decoder scores the words.
        enrolled: a file of `scionwood audio enrol`, in place of a run.
        window: seconds of the window; a run has its own, and otherwise it is 3.
        hop: seconds between the beginnings of two windows.
        threshold: the least score that is written; that of the run's validation by default, and
            without a run all windows are ranked.
        channel: a channel by its number from 0, `mean` or `loudest`.
        weights: the weights without a run: package, a folder, a name on the hub, or random.

    Example:
        >>> SpotOptions(threshold=0.5).hop
        1.0
    """

    run: RunPath | None = None
    enrolled: InputPath | None = None
    window: float | None = None
    hop: float = 1.0
    threshold: float | None = None
    channel: str = "mean"
    weights: str = "package"


def _print_spots(spots: list[Selection], *, json: bool = False) -> None:
    """Print the best spots.

    Args:
        spots: the result.
        json: print all as JSON.
    """
    if json:
        from json import dumps

        print(dumps([spot._asdict() for spot in spots], indent=1, ensure_ascii=False))
        return
    best = sorted(spots, key=lambda spot: -(spot.score or 0))[:ROWS_SHOWN]
    rows = [(f"{s.start:.2f}", f"{s.end:.2f}", s.label, f"{s.score:.3f}") for s in best]
    print_table(("start", "end", "word", "score"), rows, numeric=("start", "end", "score"))
    if len(spots) > ROWS_SHOWN:
        print(f"{len(spots) - ROWS_SHOWN} more in the file")


@prints(_print_spots)
def spot(
    recording: InputPath,
    words: InputPath,
    target: OutputPath,
    options: SpotOptions = SpotOptions(),
    *,
    page: OutputPath | None = None,
    force: bool = False,
) -> list[Selection]:
    """Look for words in a recording, and write the windows that say them.

    Without a run, words are scored by the likelihood of Whisper's decoder, which heard English
    alone. A run of `audio/words_new_language` learns a language from some clips; one that its own
    validation found below the untrained network is named as such. A word is found where it stands
    alone, between pauses.

    Args:
        recording: a sound of any length.
        words: a text file, one text in each line.
        target: the selections to write, as for `audio find`; their labels are the words.
        options: the run, the enrolment, and the windows.
        page: also write a page with spectrograms, scores and a player.
        force: replace existing files.

    Returns:
        The spots by time: of overlapping windows of one word, the best.

    Raises:
        ReadError: the recording or a file is damaged.
        RecipeError: there is no word, or both a run and an enrolment are given.
        WindowMismatchError: the run has another window.
        WriteError: a file cannot be written.

    Example:
        >>> from pathlib import Path
        >>> from scionwood_audio import SpotOptions, spot
        >>> from scionwood_audio.readers.sound import SoundReader
        >>> SoundReader.write_sample(Path("tone.wav"))
        >>> size = Path("words.txt").write_text("una rana")
        >>> options = SpotOptions(weights="random", window=1.0)
        >>> [s.label for s in spot(Path("tone.wav"), Path("words.txt"), Path("o.csv"), options)]
        ['una rana']
    """
    from scionwood_audio.evaluation.pages import write_page
    from scionwood_audio.inference.progress import progress
    from scionwood_audio.inference.sounds import read_blocks, seconds_of
    from scionwood_audio.inference.spotting import Spotter, Stream, peaks
    from scionwood_audio.model.mel import RATE
    from scionwood_audio.readers.selections import write_selections

    if options.run is not None and options.enrolled is not None:
        rule = "a run and an enrolment have scores of different scales"
        raise RecipeError("--run and --enrolled", rule, "Give one of them")
    for file in [target] if page is None else [target, page]:
        check_target(file, overwrite=force)
    lines = [line.strip() for line in read_utf8(words).splitlines()]
    spotter = Spotter(
        [line for line in dict.fromkeys(lines) if line],
        options.run,
        window=options.window,
        enrolled=options.enrolled,
        weights=options.weights,
    )
    scores: list[Selection] = []
    threshold = _threshold(options)
    stream = Stream(None, spotter, hop=options.hop)
    with progress("seconds", seconds_of(recording)) as advance:
        for part in read_blocks(recording, channel=options.channel):
            scores += stream.feed(part)
            advance(len(part) / RATE)
    spots = peaks(scores + stream.close(), threshold)
    write_selections(target, spots, force=force)
    if page is not None:
        write_page(recording, spots, page, channel=options.channel, force=force)
    return spots


def _threshold(options: SpotOptions) -> float:
    from scionwood_audio.inference.spotting import recorded

    measured = {} if options.run is None else recorded(options.run)
    if {"hard", "zero_shot"} <= measured.keys():
        hard, zero = measured["hard"], measured["zero_shot"]
        print(f"AUC of near spellings: {hard:.1f}, without training {zero:.1f}", file=sys.stderr)
        if hard < zero:
            print("not recommended: without --run the words are found better", file=sys.stderr)
    if options.threshold is not None:
        return options.threshold
    return measured.get("threshold", float("-inf"))
