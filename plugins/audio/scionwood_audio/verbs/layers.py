"""Say which layer to read, and whether an adapter pays: `scionwood audio layers`."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, final

from scionwood.authoring import InputPath, print_table, prints

if TYPE_CHECKING:
    from scionwood_audio.evaluation.layers import LayerReport


@final
@dataclass(frozen=True)
class LayersOptions:
    """How the layers are compared.

    Attributes:
        weights: package (Whisper tiny.en), a folder or a name on the hub; random is for trials.
        window: seconds that the network hears of a recording, around its loudest moment.
        folds: splits by recording; each class needs as many recordings.
        tuned_folds: splits on which LoRA is tried, about half a minute each; 0 for none.
        seed: seed of the folds and of LoRA.
        figures: the folder of the figure, `layers.png`.

    Example:
        >>> LayersOptions(weights="random", folds=3).window
        3.0
    """

    weights: str = "package"
    window: float = 3.0
    folds: int = 5
    tuned_folds: int = 3
    seed: int = 0
    figures: Path | None = None


def _print_report(report: LayerReport, *, json: bool = False) -> None:
    """Print what was measured, and the advice.

    Args:
        report: the result.
        json: print JSON.
    """
    scores = [*report.rows, *report.tuned]
    if json:
        print(dumps(asdict(report) | {"rows": [s._asdict() for s in scores]}, indent=1))
        return
    print(f"{report.clips} recordings of {len(report.classes)} classes: balanced accuracy, %")
    head = ("features", "mean", "spread", "splits")
    cells = [
        (s.name, f"{100 * s.mean:.1f}", f"{100 * s.spread:.1f}", str(len(s.values))) for s in scores
    ]
    print_table(head, cells, numeric=head[1:])
    print(f"advice: {report.method} ({report.reason})")


@prints(_print_report)
def layers(data: InputPath, options: LayersOptions = LayersOptions()) -> LayerReport:
    """Say which layer tells your recordings apart, and whether LoRA adds to it.

    The layers of Whisper keep different things: the first ones calls, the last ones speech. Each
    layer gets a logistic head on the mean and the standard deviation over the true frames, with
    folds by recording. LoRA is trained for 60 steps at the best layer. A lead below the spread of
    the splits is no lead. Files with equal samples count once.

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
        >>> report = layers(table, LayersOptions(weights="random", folds=2, tuned_folds=0))
        >>> [row.name for row in report.rows][:2]
        ['mel statistics', 'layer 0']
    """
    from scionwood_audio.data.recordings import read_clips
    from scionwood_audio.evaluation.layers import Sounds, compare_layers
    from scionwood_audio.model.mel import RATE

    report = compare_layers(
        Sounds.of(read_clips(data), round(options.window * RATE)),
        weights=options.weights,
        window=options.window,
        folds=options.folds,
        tuned_folds=options.tuned_folds,
        seed=options.seed,
        progress=lambda line: print(line, file=sys.stderr, flush=True),
    )
    if options.figures is not None:
        _draw(report, options.figures / "layers.png")
    return report


def _draw(report: LayerReport, path: Path) -> None:
    from matplotlib.figure import Figure

    from scionwood.authoring import atomic_path, figure_style

    scores, chance = [*report.rows, *report.tuned[1:]], 100 / len(report.classes)
    means, spreads = ([100 * getattr(s, k) for s in scores] for k in ("mean", "spread"))
    with figure_style(), atomic_path(path, overwrite=True) as part:
        figure = Figure(figsize=(6, 3.2))
        axes = figure.subplots()
        axes.errorbar(range(len(scores)), means, spreads, fmt="o", capsize=3)
        axes.axhline(chance, linestyle=":", color="grey")
        axes.annotate("chance", (0, chance), va="bottom")
        axes.set_xticks(range(len(scores)), [s.name for s in scores], rotation=30, ha="right")
        axes.set_ylabel("balanced accuracy, %")
        axes.set_title(f"advice: {report.method}")
        figure.savefig(part, format="png", dpi=110, bbox_inches="tight")
