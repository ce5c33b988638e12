"""Print a summary of simulations, to check them before any training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scionwood.authoring import InputPath
from scionwood_crash.parts.options import FileOptions, Hold

if TYPE_CHECKING:
    from scionwood_crash.data.user_settings import RunSettings


def inspect(
    source: InputPath,
    options: FileOptions = FileOptions(),
    *,
    settings: dict[str, str] | None = None,
    mesh: str | None = None,
    held: Hold = "field",
    json: bool = False,
) -> None:
    """Print a summary of each simulation in a folder, or of a deck, before any training.

    The table shows states, mesh, parts, clamped nodes, impact and material. The lines below list
    missing values, keys of the runs without a known meaning (further conditions), ignored data, and
    runs that cannot be used for training. The options have the names of those of the data
    `crash/files`. For a deck of LS-DYNA or Radioss, or a folder of decks without simulations, the
    lines say how many keywords of each name were understood and left out, and what they state.

    Args:
        source: a folder of simulations, one simulation, or a deck.
        options: the values that the files do not state.
        settings: meaning of the keys of a run, such as `{velocity_x: velocity_x m/s}`.
        mesh: the file with the shells of runs without shells, or the keyword deck with the welds of
            runs that have shells; `{run}` stands for the name of the run.
        held: which nodes are clamped; `field` uses the file's point field `held`.
        json: print JSON.

    Raises:
        ReadError: there is no simulation.
        RecipeError: a meaning of `settings` is unknown.

    Example:
        >>> inspect("bumper.pvd")  # doctest: +ELLIPSIS
        bumper.pvd...
    """
    from scionwood import ReadError
    from scionwood_crash.data.run_summary import COLUMNS, notes, summarise
    from scionwood_crash.data.user_settings import RunSettings
    from scionwood_crash.parts.quantities import Settings
    from scionwood_crash.readers.folder import DECKS, find_runs

    listing = find_runs(source)
    meaning = Settings(settings or {})
    user = RunSettings(options.units, options.thickness, mesh=mesh, held=held, settings=meaning)
    decks = [path for path in listing.runs or listing.meshes if path.suffix.lower() in DECKS]
    if decks and not set(listing.runs) - set(decks):
        _print_decks(decks, user, json=json)
        return
    if not listing.runs:
        names = ", ".join(path.name for path in [*listing.meshes, *listing.others][:5]) or "nothing"
        rule = f"it holds no file with a history, only {names}"
        raise ReadError(str(source), rule, "Name a folder of d3plot, PVD, VTP, VTKHDF or Zarr")
    summaries = [summarise(path, user) for path in listing.runs]
    hint_of_decks = "; --mesh reads the welds, ties and the impact of a deck"
    ignored = []
    for path in listing.meshes:
        hint = hint_of_decks if mesh is None and path.suffix.lower() in DECKS else ""
        ignored.append(f"ignored: {path.name}, a mesh without history{hint}")
    ignored += [f"ignored: {path.name}" for path in listing.others]
    lines = [*notes(summaries), *ignored]
    if json:
        from json import dumps

        content = {"runs": [vars(summary) for summary in summaries], "ignored": ignored}
        print(dumps(content, indent=1))
        return
    from scionwood.authoring import print_table

    rows = [[str(run.values.get(column, "")) for column in COLUMNS] for run in summaries]
    print_table(COLUMNS, rows, title=str(source))
    print("\n".join(lines))


def _print_decks(paths: list[Path], user: RunSettings, *, json: bool) -> None:
    """Print what decks state; one whose mesh cannot be read is named with the reason."""
    from scionwood import ReadError
    from scionwood_crash.data.deck_summary import deck_summary

    contents: list[dict[str, object]] = []
    lines: list[str] = []
    for path in paths:
        try:
            summary = deck_summary(path, user)
        except ReadError as error:
            if len(paths) == 1:
                raise
            contents.append({"deck": path.name, "refused": error.rule})
            lines.append(f"{path.name}: refused: {error.rule}")
            continue
        contents.append(vars(summary))
        lines += summary.lines()
    if json:
        from json import dumps

        print(dumps({"decks": contents}, indent=1))
        return
    print("\n".join(lines))
