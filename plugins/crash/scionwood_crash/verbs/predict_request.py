"""Predict the file of a request: a mesh or a simulation in, its predicted states out."""

from __future__ import annotations

from pathlib import Path

from scionwood.authoring import LoadedRun, Served
from scionwood_crash.parts.options import PredictOptions, RequestOptions
from scionwood_crash.verbs.predict import predict


def predict_request(
    loaded: LoadedRun,
    source: Path,
    out: Path,
    *,
    options: RequestOptions = RequestOptions(),
    deck: str | None = None,
) -> Served:
    """Predict how a part deforms, as `scionwood crash predict` does with the same run.

    The answer is a folder in a zip archive: a PVD file with one VTU file for each state, and the
    record of how it was made.

    Args:
        loaded: a run of `crash/displacement`.
        source: a keyword deck, a mesh or a simulation in one file; or a zip archive of a deck and
            the files that it includes.
        out: the folder of the results.
        options: what the file does not state.
        deck: the main deck in an archive with several decks, with its folders.

    Raises:
        ReadError: the file is damaged or has no such part, the clamped nodes are unknown, or an
            archive has several decks and none is named.
        TrainingError: the run is not one of `crash/displacement`.
    """
    from scionwood_crash.readers.zipped import main_deck

    states = out / f"{source.stem}_predicted"
    states.mkdir()
    work = PredictOptions(**vars(options), run=loaded.folder, device=loaded.device)
    with main_deck(source, deck) as file:
        predict(file, states / "states.pvd", work)
    return Served(states)
