"""What a server offers of this plugin: a mesh or a simulation in, its predicted states out."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from scionwood.authoring import LoadedRun, Served


def predict(
    loaded: LoadedRun,
    source: Path,
    out: Path,
    *,
    part: int | None = None,
    clamped: Literal["field", "still", "ends", "low", "high"] | None = None,
    impactor: Literal["plane", "cylinder"] | None = None,
    speed: float | None = None,
    mass: float | None = None,
    radius: float | None = None,
    yield_stress: float | None = None,
    duration: float = 10.0,
    units: str | None = None,
    thickness: float | None = None,
    fallback: Literal["refuse", "project"] = "refuse",
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
        part: number of the part in the file; by default all shells, which must be connected.
        clamped: which nodes cannot move; by default those of the file's point field `held`.
        impactor: shape of the impactor; by default what the file or the run states.
        speed: speed of the impactor, m/s.
        mass: mass of the impactor, kg.
        radius: radius of a cylinder, mm.
        yield_stress: yield stress of the sheet, GPa.
        duration: duration of the prediction from a mesh alone, ms.
        units: units of a file that does not state them, such as `mm, ms, kg`.
        thickness: thickness of shells that have none in the file.
        fallback: `refuse` a part without two ends, or `project` the grid onto its axes.
        deck: the main deck in an archive with several decks, with its folders.

    Raises:
        ReadError: the file is damaged or has no such part, the clamped nodes are unknown, or an
            archive has several decks and none is named.
        TrainingError: the run is not one of `crash/displacement`.
    """
    from scionwood_crash.cli import predict as command
    from scionwood_crash.readers.zipped import main_deck

    states = out / f"{source.stem}_predicted"
    states.mkdir()
    with main_deck(source, deck) as file:
        command(
            file,
            states / "states.pvd",
            run=loaded.folder,
            part=part,
            clamped=clamped,
            impactor=impactor,
            speed=speed,
            mass=mass,
            radius=radius,
            yield_stress=yield_stress,
            duration=duration,
            units=units,
            thickness=thickness,
            fallback=fallback,
            device=loaded.device,
        )
    return Served(states)
