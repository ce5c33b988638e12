"""The command `scionwood crash inspect`."""

from __future__ import annotations

from scionwood.authoring import InputPath
from scionwood_crash.cli import Hold


def inspect(
    source: InputPath,
    *,
    settings: dict[str, str] | None = None,
    units: str | None = None,
    thickness: float | None = None,
    mesh: str | None = None,
    held: Hold = "field",
    json: bool = False,
) -> None:
    """Print what is understood of each simulation in a folder, before any training.

    The table shows states, mesh, parts, clamped nodes, impact and material. The lines below say
    what is missing, which keys of the runs are further conditions, what is ignored, and which runs
    cannot be learned from. Options that the data `crash/files` needs have the same names here.

    Args:
        source: a folder of simulations, or one simulation.
        settings: meaning of the keys of a run, such as `{velocity_x: velocity_x m/s}`.
        units: units of files that do not state them, such as `mm, ms, kg`.
        thickness: thickness of shells that have none in the file.
        mesh: the file with the shells of runs that hold none, or the keyword deck with the welds of
            runs that have shells; `{run}` stands for their name.
        held: which nodes are clamped; `field` takes the file's point field `held`.
        json: print JSON.

    Raises:
        ReadError: there is no simulation.
        RecipeError: a meaning of `settings` is unknown.
    """
    from scionwood import ReadError
    from scionwood_crash.data.seen import COLUMNS, look, notes
    from scionwood_crash.data.stated import Given
    from scionwood_crash.parts.quantities import Settings
    from scionwood_crash.readers.folder import DECKS, find_runs

    found = find_runs(source)
    if not found.runs:
        names = ", ".join(path.name for path in [*found.meshes, *found.others][:5]) or "nothing"
        rule = f"it holds no file with a history, only {names}"
        raise ReadError(str(source), rule, "Name a folder of d3plot, PVD, VTP, VTKHDF or Zarr")
    given = Given(units, thickness, mesh=mesh, held=held, settings=Settings(settings or {}))
    every = [look(path, given) for path in found.runs]
    decks = "; --mesh reads the welds and ties of a deck"
    left = []
    for path in found.meshes:
        hint = decks if mesh is None and path.suffix.lower() in DECKS else ""
        left.append(f"ignored: {path.name}, a mesh without history{hint}")
    left += [f"ignored: {path.name}" for path in found.others]
    lines = [*notes(every), *left]
    if json:
        from json import dumps

        print(dumps({"runs": [vars(seen) for seen in every], "ignored": left}, indent=1))
        return
    from scionwood.authoring import print_table

    rows = [[str(seen.values.get(column, "")) for column in COLUMNS] for seen in every]
    print_table(COLUMNS, rows, title=str(source))
    print("\n".join(lines))
