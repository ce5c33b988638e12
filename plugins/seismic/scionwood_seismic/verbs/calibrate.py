"""Say how often the light of the harm gate is wrong on your own records."""

from __future__ import annotations

from dataclasses import asdict, replace
from json import dumps
from typing import TYPE_CHECKING

from scionwood.authoring import InputPath, print_table, prints
from scionwood_seismic.inference.options import DenoiseOptions

if TYPE_CHECKING:
    from scionwood_seismic.evaluation.calibration import Pair


def _print_pairs(pairs: list[Pair], *, json: bool = False) -> None:
    """Print each record, and how often the light is wrong.

    Args:
        pairs: what the gate says, and what is true.
        json: print JSON.
    """
    from scionwood_seismic.evaluation.calibration import rates

    total = rates(pairs)
    if json:
        content = {"rates": asdict(total), "pairs": [asdict(pair) for pair in pairs]}
        print(dumps(content, indent=1))
        return
    head = ("record", "light", "truth", "strong", "true strong", "weak", "true weak")
    rows = []
    for pair in pairs:
        values = pair.strong, pair.true_strong, pair.weak, pair.true_weak
        numbers = ("-" if value is None else f"{value:.2f}" for value in values)
        rows.append((pair.name, pair.light, pair.truth, *numbers))
    print_table(head, rows, numeric=head[3:])
    print(total)


@prints(_print_pairs)
def calibrate(
    records: InputPath,
    options: DenoiseOptions = DenoiseOptions(),
    *,
    limit: int = 24,
    seed: int = 0,
) -> list[Pair]:
    """Say how often the light of the harm gate is wrong on your own records.

    Each gather is denoised, and the gate gives its light. Then events of families that the gate
    never draws are added: wedges that pinch out, short events and channels, gentle and steep. What
    comes back of them is the truth.

    Args:
        records: a file with gathers, such as `denoise` reads.
        options: the run or the model, the limits of the light, and how the file is read.
        limit: the most gathers, which are evenly spaced in the file.
        seed: of the events.

    Returns:
        What the gate says of each gather, and what is true. Gathers that pass through unchanged are
        left out.

    Raises:
        ReadError: the file is damaged, or no reader knows its format.
        RecipeError: no gather can be tested.

    Example:
        >>> simulate("own.sgy", "own_reference.sgy", n=1, n_traces=48, n_samples=256)
        >>> pairs = calibrate("own.sgy", DenoiseOptions(model="shot"))
        >>> len(pairs)
        1
    """
    from scionwood_seismic.evaluation.calibration import calibrate_file

    return calibrate_file(records, replace(options, gate="report"), limit=limit, seed=seed)
