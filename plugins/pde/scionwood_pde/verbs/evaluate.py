"""Compare predicted states with reference states: `scionwood pde evaluate`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from scionwood.authoring import prints
from scionwood_pde.verbs.options import Placing, States, Target, Training
from scionwood_pde.verbs.words import print_rows

if TYPE_CHECKING:
    import xarray as xr

    from scionwood_pde.readers.layout import Layout

Row: TypeAlias = Mapping[str, str | float]


class Scores(list[Row]):
    """The rows of a comparison, and what a reader should not miss.

    Attributes:
        layout: the grid of the reference.
        has_filters: whether training states were compared too.

    Example:
        >>> states = simulate(n=1, n_points=16, n_steps=2)
        >>> evaluate(states, states).has_filters
        False
    """

    def __init__(self, rows: Sequence[Row], layout: Layout, has_filters: bool) -> None:
        super().__init__(rows)
        self.layout, self.has_filters = layout, has_filters


def _print_scores(scores: Scores, *, json: bool = False) -> None:
    """Print the rows, and remarks below them.

    Args:
        scores: the result.
        json: print JSON.
    """
    from scionwood_pde.evaluation.skill import notes, remarks

    print_rows(scores, json)
    for line in [*remarks(scores), *notes(scores.layout, scores.has_filters)]:
        print(line, file=sys.stderr if json else sys.stdout)


@prints(_print_scores)
def evaluate(
    predicted: States,
    reference: States,
    placing: Placing = Placing(),
    *,
    training: Training = None,
    given: int = 1,
    solids: bool = False,
    figures: Target = None,
    force: bool = False,
) -> Scores:
    """Print errors by field and horizon, next to those of predictions without any network.

    The simplest prediction is persistence, which predicts no change. With the training states,
    linear filters are fitted on them, and the skill is one minus the error over that of the best
    filter. Results that are worse than the mean or than a filter are named below the table.

    Args:
        predicted: a file that `rollout` wrote, or any file of states; in Python also states.
        reference: the reference states of the same samples and times.
        placing: the channels to compare, and where they lie in the files of the reference and of
            the training.
        training: files of the states on which the run was trained; in Python also states.
        given: number of states at the start that were not predicted: those that the model sees.
        solids: NaN in the files marks solid points, which do not count.
        figures: also write slices, spectra, the growth of the error and an animation to this
            folder.
        force: replace an existing folder of figures.

    Returns:
        A row for each field and horizon: the errors that `evaluation.compare.errors` defines. One
        of them is `persistence`, the error of predicting no change. With `training`, those of the
        linear filters of `evaluation.filters` follow, and `skill`: one minus the error over the
        smallest of theirs. Rows named `enstrophy ...` follow for each velocity in a periodic box.

    Raises:
        ReadError: a file is damaged, or lacks a field.
        RecipeError: the two differ in samples, channels or sides, the reference lacks a time,
            steps in time are not equal, or the training states do not fit the predicted ones.
        OutputExistsError: the folder of figures exists and `force` is false.

    Example:
        >>> states = simulate(n=2, n_points=16, n_steps=2)
        >>> row = evaluate(states[:1], states[:1], training=states[1:])[0]
        >>> row["vrmse"], row["skill"]
        (0.0, 1.0)
    """
    from scionwood_pde.evaluation import compare, skill
    from scionwood_pde.readers.files import opened
    from scionwood_pde.readers.states import layout_of

    states = opened(predicted, placing.fields, solids=solids)
    layout = layout_of(states)
    skill.check_regular(layout, "predicted states")
    names = [channel.name for channel in layout.channels]

    def referenced(source: States) -> xr.DataArray:
        return opened(source, names, solids=solids, **placing.places())

    truth = referenced(reference)
    grid = layout_of(truth)
    truth = compare.at_times_of(states, truth)
    skill.warn_of_faint(truth)
    errors = compare.errors(states, truth, given=given)
    files: Sequence[Any] = training if isinstance(training, list | tuple) else [training]
    examples = [referenced(file) for file in files if file is not None]
    if examples:
        errors |= skill.filter_errors(skill.filters_of(examples, truth), truth, given=given)
    rows: list[Row] = [*skill.with_skill(compare.table(errors, names))]
    rows += compare.enstrophy_rows(compare.enstrophy_errors(states, truth, given=given))
    if figures is not None:
        compare.draw(states, truth, errors, Path(figures), overwrite=force)
    return Scores(rows, grid, bool(examples))
