"""Print a summary of simulations, to check them before any training."""

from __future__ import annotations

from scionwood.authoring import InputPath
from scionwood_crash.parts.options import FileOptions, Hold


def inspect(
    source: InputPath,
    options: FileOptions = FileOptions(),
    *,
    settings: dict[str, str] | None = None,
    mesh: str | None = None,
    held: Hold = "field",
    json: bool = False,
) -> None:
    """Print a summary of each simulation in a folder, to check them before any training.

    The table shows states, mesh, parts, clamped nodes, impact and material. The lines below list
    missing values, keys of the runs without a known meaning (further conditions), ignored data, and
    runs that cannot be used for training. The options have the names of those of the data
    `crash/files`.

    Args:
        source: a folder of simulations, or one simulation.
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
    if not listing.runs:
        names = ", ".join(path.name for path in [*listing.meshes, *listing.others][:5]) or "nothing"
        rule = f"it holds no file with a history, only {names}"
        raise ReadError(str(source), rule, "Name a folder of d3plot, PVD, VTP, VTKHDF or Zarr")
    meaning = Settings(settings or {})
    user = RunSettings(options.units, options.thickness, mesh=mesh, held=held, settings=meaning)
    summaries = [summarise(path, user) for path in listing.runs]
    decks = "; --mesh reads the welds and ties of a deck"
    ignored = []
    for path in listing.meshes:
        hint = decks if mesh is None and path.suffix.lower() in DECKS else ""
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
