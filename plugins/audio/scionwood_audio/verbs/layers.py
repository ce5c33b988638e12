"""Say which layer to read, and whether an adapter pays: `scionwood audio layers`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from json import dumps
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
        folds: splits by recording, each clip is once in a test; each class needs as many
            recordings.
        tuned_folds: splits on which LoRA is tried, half a minute of a core each; 0 for none.
        seed: seed of the folds and of LoRA.

    Example:
        >>> LayersOptions(weights="random", folds=3).window
        3.0
    """

    weights: str = "package"
    window: float = 3.0
    folds: int = 5
    tuned_folds: int = 2
    seed: int = 0


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
        >>> report = layers(table, LayersOptions(weights="random", folds=2, tuned_folds=0))
        >>> [row.name for row in report.rows][:2]
        ['mel statistics', 'layer 0']
    """
    from scionwood_audio.data.recordings import read_clips
    from scionwood_audio.evaluation.layers import compare_layers
    from scionwood_audio.model.mel import RATE

    return compare_layers(read_clips(data, round(options.window * RATE)), options)
