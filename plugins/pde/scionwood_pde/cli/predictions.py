"""The commands that predict states, and compare them with others."""

from __future__ import annotations

import sys

from scionwood.authoring import InputPath, OutputPath, RunPath
from scionwood_pde.cli.words import numbers_of, print_rows, words_of


def rollout(
    states: InputPath,
    predicted: OutputPath,
    *,
    run: RunPath = "pde/burgers",
    statistics: InputPath | None = None,
    steps: int | None = None,
    fields: list[str] | None = None,
    dims: list[str] | None = None,
    rename: list[str] | None = None,
    conditions: list[str] | None = None,
    device: str = "cpu",
    force: bool = False,
) -> None:
    """Predict later states from the first state of each sample, one step after another.

    Args:
        states: the file with the first states: Zarr, NetCDF, HDF5 of The Well or PDEBench.
        predicted: the file to write; its suffix selects the format, see `simulate`.
        run: a run of `pde/dynamics`, as a folder or by its name. It supplies the normalisation and
            the time of a step. The default run is shipped; it knows Burgers' equation only.
        statistics: a cache whose means and standard deviations replace those of the run.
        steps: number of steps; by default as many as `states` has after its first time.
        fields: names of the channels, in the order of the training; by default those of the run.
        dims: dimensions of the file by their role, such as x=lon; roles are sample, time, x, y, z.
        rename: new names of channels, each as NAME=NEW.
        conditions: numbers that the model of the run needs, each as NAME=NUMBER.
        device: where to compute, such as cpu or cuda.
        force: replace an existing file.

    Raises:
        ReadError: the file is damaged, or lacks a field.
        RecipeError: the states do not fit the model, the steps do not fit the file, or the suffix
            is unknown.
        AdapterFileError: the run's adapter is damaged, or was made for another base.
        OutputExistsError: the file exists and `force` is false.
        WriteError: a prediction is not finite, or the file cannot be written.
    """
    from scionwood_pde.readers.regions import regions_for

    regions_for(predicted)  # a wrong suffix or word is refused before torch is imported
    placing = {"dims": words_of(dims), "rename": words_of(rename)}
    numbers = numbers_of(conditions)
    from scionwood_pde import api

    api.rollout(
        states,
        run=run,
        statistics=statistics,
        steps=steps,
        fields=fields,
        **placing,
        conditions=numbers,
        target=predicted,
        device=device,
        overwrite=force,
    )


def evaluate(
    predicted: InputPath,
    reference: InputPath,
    *,
    training: list[InputPath] | None = None,
    given: int = 1,
    fields: list[str] | None = None,
    solids: bool = False,
    dims: list[str] | None = None,
    rename: list[str] | None = None,
    figures: OutputPath | None = None,
    json: bool = False,
    force: bool = False,
) -> None:
    """Print errors by field and horizon, next to those of predictions without any network.

    The simplest prediction is persistence, which predicts no change. With the training states,
    linear filters are fitted on them, and the skill is one minus the error over that of the best
    filter. Results that are worse than the mean or than a filter are named below the table.

    Args:
        predicted: a file that `rollout` wrote, or any file of states.
        reference: the reference states of the same samples and times.
        training: files of the states on which the run was trained.
        given: number of states at the start that were not predicted: those that the model sees.
        fields: names of the channels to compare; by default all.
        solids: NaN in the files marks solid points, which do not count.
        dims: dimensions of the reference and the training files by their role, such as x=lon.
        rename: new names of channels of these files, each as NAME=NEW.
        figures: also write slices, spectra, the growth of the error and an animation to this
            folder.
        json: print JSON.
        force: replace an existing folder of figures.

    Raises:
        ReadError: a file is damaged, or lacks a field.
        RecipeError: the two differ in samples, channels or sides, the reference lacks a time,
            steps in time are not equal, or the training states do not fit the predicted ones.
        OutputExistsError: the folder of figures exists and `force` is false.
    """
    from scionwood_pde import api
    from scionwood_pde.evaluation.skill import notes, remarks
    from scionwood_pde.readers.opening import open_reader

    rows = api.evaluate(
        predicted,
        reference,
        training=training or (),
        given=given,
        fields=fields,
        solids=solids,
        dims=words_of(dims),
        rename=words_of(rename),
        figures=figures,
        overwrite=force,
    )
    print_rows(rows, json)
    placing = {"dims": words_of(dims), "rename": words_of(rename)}
    layout = open_reader(reference, fields=fields, solids=solids, **placing).layout
    for line in [*remarks(rows), *notes(layout, bool(training))]:
        print(line, file=sys.stderr if json else sys.stdout)
