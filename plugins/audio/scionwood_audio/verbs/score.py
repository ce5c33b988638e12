"""Judge found calls, and layers: `scionwood audio score` and `layers`."""

from __future__ import annotations

from dataclasses import asdict
from json import dumps
from typing import TYPE_CHECKING

from scionwood.authoring import InputPath, print_table, prints
from scionwood_audio.verbs.options import LayersOptions

if TYPE_CHECKING:
    from scionwood_audio.evaluation.layers import LayerReport
    from scionwood_audio.evaluation.scores import EventScore


def _print_score(score: EventScore) -> None:
    shares = [f"{100 * share:.1f}" for share in (score.f1, score.precision, score.recall)]
    heads = ("true", "found", "right", "event F1, %", "precision, %", "recall, %")
    print_table(heads, [(str(score.true), str(score.events), str(score.right), *shares)])
    if score.recall_at_one is not None:
        allowed = f"{score.alarms} false alarms in {score.hours:.3g} h"
        print(f"recall at one false alarm an hour ({allowed}): {100 * score.recall_at_one:.1f} %")
    elif score.hours is None:
        print("Give --hours, the length of the recording, for the recall at one alarm an hour")


@prints(_print_score)
def score(events: InputPath, true: InputPath, *, hours: float | None = None) -> EventScore:
    """Score found calls or words against the true ones.

    Args:
        events: selections, as `audio find` writes them.
        true: the true selections.
        hours: length of the recording, for the recall at one false alarm an hour.

    Returns:
        Counts, F1, precision and recall of events at an overlap of 0.3.

    Raises:
        ReadError: a file is no such table.
        RecipeError: the hours are not above 0.
    """
    from scionwood_audio.evaluation.scores import score_events
    from scionwood_audio.readers.selections import read_selections

    return score_events(read_selections(events), read_selections(true), hours)


def _print_report(report: LayerReport, *, json: bool = False) -> None:
    """Print what was measured, and the advice.

    Args:
        report: the result.
        json: print JSON.
    """
    if json:
        rows = [row._asdict() for row in report.rows]
        print(dumps(asdict(report) | {"rows": rows}, indent=1))
        return
    print(f"{report.clips} recordings of {len(report.classes)} classes: balanced accuracy, %")
    head = ("features", "mean", "spread", "splits")
    cells = [
        (row.name, f"{100 * row.mean:.1f}", f"{100 * row.spread:.1f}", str(len(row.values)))
        for row in report.rows
    ]
    print_table(head, cells, numeric=head[1:])
    print(f"advice: {report.method} ({report.reason})")


@prints(_print_report)
def layers(data: InputPath, options: LayersOptions = LayersOptions()) -> LayerReport:
    """Say which layer tells your recordings apart, and whether LoRA adds to it.

    The layers of Whisper keep different things: the first ones calls, the last ones speech. Each
    layer gets a logistic head on its mean over the true frames, with folds by recording. LoRA is
    trained for 40 steps at the best layer, from that head. A lead below the spread of the splits is
    no lead. Files with equal samples count once.

    Args:
        data: a CSV file with the columns path and label, and recording if several files were cut
            from one; paths are relative to its folder.
        options: how the layers are compared.

    Returns:
        The balanced accuracies, and the advice.

    Raises:
        ReadError: the table or a sound cannot be read, or one sound has two labels.
        RecipeError: a class has fewer recordings than there are folds.
        WeightsError: the weights are missing or changed.

    Example:
        >>> import numpy as np, soundfile
        >>> for n in range(8):
        ...     tone = np.sin(np.arange(8000) * (0.2 + 0.3 * (n % 2)) + n)
        ...     soundfile.write(f"{n}.wav", 0.3 * tone, 16000)
        >>> rows = [f"{n}.wav,{('low', 'high')[n % 2]}" for n in range(8)]
        >>> np.savetxt("tones.csv", rows, fmt="%s", header="path,label", comments="")
        >>> options = LayersOptions(weights="random", window=0.5, folds=2, tuned_folds=0)
        >>> report = layers("tones.csv", options)
        >>> [row.name for row in report.rows][:2]
        ['mel statistics', 'layer 0']
    """
    from scionwood_audio.data.recordings import read_classes
    from scionwood_audio.evaluation.layers import compare_layers

    return compare_layers(read_classes(data), options)
