"""Predict how a part deforms: of a file, or of a series in memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from scionwood.authoring import InputPath, OutputPath
from scionwood_crash.parts.options import PredictOptions

if TYPE_CHECKING:
    from scionwood_crash.parts.mesh import CrashSeries


def predict(
    mesh: InputPath,
    target: OutputPath,
    options: PredictOptions = PredictOptions(),
    *,
    force: bool = False,
) -> None:
    """Predict how a part deforms, and write the states for ParaView or another program.

    Impact and material that the file states take precedence over these options, and these over
    what the recipe of the run states. The command names what none of them states, and the number
    that it assumes. A simulation is predicted at its own times. `NAME.json` beside the target
    records how the prediction was made.

    Args:
        mesh: a keyword deck, a mesh or a simulation, in any format that can be read.
        target: the file to write: `.pvd`, `.vtp`, `.zarr`, or a name that ends in `d3plot`.
        options: the run, and what the file does not state.
        force: replace the target if it exists.

    Raises:
        ReadError: the file is damaged or has no such part, the part has no two ends, or the clamped
            nodes are unknown or move in the simulation.
        AdapterFileError: the run's adapter is damaged, or belongs to another base.
        TrainingError: `run` does not name a finished run.
        OutputExistsError: the target exists and `force` is false.
        WriteError: the target cannot be written.

    Example:
        >>> predict("bumper.pvd", "predicted.pvd", PredictOptions(clamped="field"))
        ... # doctest: +ELLIPSIS
        predicted.pvd: ...
        >>> open_series("predicted.pvd").path.name
        'predicted.pvd'
    """
    from dataclasses import asdict

    from scionwood.authoring import check_target
    from scionwood_crash.data.user_settings import RunSettings, defaults_used, open_run
    from scionwood_crash.inference import Predictor, record_path, write_record
    from scionwood_crash.parts.series import only_part
    from scionwood_crash.readers import write_series

    mesh, target = Path(mesh), Path(target)
    check_target(record_path(target), force)
    predictor = Predictor(options.run, fallback=options.fallback, device=options.device)
    user = predictor.user = RunSettings.of(options, predictor.user)
    series = open_run(mesh, user)
    series = series if options.part is None else only_part(series, options.part)
    setup = user.setup(options.duration)
    predicted = predictor.on_series(series, setup)
    write_series(target, predicted, overwrite=force)
    defaults = defaults_used(series, user)
    record: dict[str, Any] = {"mesh": mesh.name, "part": options.part}
    record |= {"fallback": options.fallback, "setup": asdict(setup), "assumed": defaults}
    write_record(target, predictor, record, overwrite=force)
    print(f"{target}: {len(predicted)} states of {len(predicted.mesh.points)} nodes")
    if defaults:
        print(f"assumed, since nothing states it: {', '.join(defaults)}")
    print("\n".join([*predictor.frame, predictor.verdict]))
    if predictor.interval is not None:
        print(predictor.interval)


def predict_series(series: CrashSeries, options: PredictOptions = PredictOptions()) -> CrashSeries:
    """Predict how a part deforms, with the network of a run.

    To predict many parts with one run, keep a `scionwood_crash.inference.Predictor`.

    Args:
        series: a mesh, or a simulation that is predicted from its mesh.
        options: the run, and what the series does not state; `units` and `thickness` are those of
            the series.

    Returns:
        The predicted states on the mesh, in the units and at the times of `series`. A mesh alone
        has as many states as the network predicts.

    Raises:
        ReadError: the part does not exist, has no two ends, or its clamped nodes are unknown or
            move in the simulation.
        TrainingError: `run` does not name a finished run.

    Example:
        >>> series = open_series("bumper.pvd")
        >>> len(predict_series(series)) == len(series)
        True
    """
    from scionwood_crash.data.user_settings import RunSettings
    from scionwood_crash.inference import Predictor
    from scionwood_crash.parts.series import only_part

    chosen = series if options.part is None else only_part(series, options.part)
    predictor = Predictor(options.run, fallback=options.fallback, device=options.device)
    predictor.user = RunSettings.of(options, predictor.user)
    return predictor.on_series(chosen, predictor.user.setup(options.duration))
