"""Parts that fly into a fixed wall: the same crash as that of the clamped part, or a refusal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scionwood import ReadError
from scionwood_crash import (
    FileOptions,
    PredictOptions,
    evaluate_series,
    inspect,
    open_series,
    predict,
    predict_series,
)
from scionwood_crash.data.files import FileParts
from scionwood_crash.parts.carried import at_rest, carrier_message
from scionwood_crash.parts.mesh import CrashSeries
from scionwood_crash.parts.part import Part
from scionwood_crash.parts.series import CLAMPED_FIELD, STRAIN, Setup, from_series, to_series
from scionwood_crash.readers import write_series


def flying(
    part: Part, drift: tuple[float, ...] = (0.0, 0.0, 0.0), turn: float = 0.0
) -> CrashSeries:
    """Return the crash as seen from the wall: the part flies, and its velocity is stated.

    Args:
        part: clamped, with displacements.
        drift: further velocity of part and wall, mm/ms.
        turn: rotation of the part about its centre in the whole history, as small angle.
    """
    series = to_series(part)
    assert part.displacement is not None
    impactor = part.impactor
    velocity = np.asarray(drift) - impactor.speed * np.asarray(impactor.direction)
    path = part.times[:, None] * velocity * np.linspace(1, 0.6, len(part.times))[:, None]
    moved = part.displacement + path[:, None]
    spin = np.linspace(0, turn, len(part.times))[:, None, None]
    moved = moved + spin * np.cross([0.3, 1.0, 0.2], part.points - part.points.mean(0))
    reversed_ = {f"impactor_direction_{x}": -impactor.direction[at] for at, x in enumerate("xyz")}
    return CrashSeries.from_arrays(
        series.mesh,
        series.times,
        moved,
        cell_fields={STRAIN: series.cell_field(STRAIN)},
        features={**series.features, **reversed_},
    )


@pytest.mark.parametrize("drift", [(0.0, 0.0, 0.0), (0.4, -0.3, 0.2)])
def test_a_flying_part_is_the_clamped_part(suite, drift):
    """Displacements, clamps and impactor are those of the simulation with clamps."""
    for part in suite.parts("train"):
        turned = from_series(flying(part, drift), Setup(clamped="still"))
        assert part.displacement is not None
        assert turned.displacement is not None
        still = np.linalg.norm(part.displacement, axis=2).max(0)
        np.testing.assert_array_equal(turned.clamped, still <= 1e-3 * still.max())
        np.testing.assert_allclose(turned.displacement, part.displacement, atol=1e-3 * still.max())
        np.testing.assert_allclose(turned.impactor.direction, part.impactor.direction)
        assert turned.impactor.speed == pytest.approx(part.impactor.speed)


def test_prediction_and_errors_are_those_of_the_clamped_part(suite, run):
    part = suite.parts("test")[0]
    clamped, moving = to_series(part), flying(part)
    options = PredictOptions(run=run, clamped="still")
    predicted = [predict_series(each, options) for each in (clamped, moving)]
    np.testing.assert_allclose(*(each.displacement() for each in predicted), atol=0.05)
    assert "nodes move as one body" in carrier_message(predicted[1])
    assert carrier_message(predicted[0]) == ""
    errors = [
        evaluate_series(given, true)
        for given, true in zip(predicted, (clamped, moving), strict=True)
    ]
    assert errors[1]["intrusion_true"] == pytest.approx(errors[0]["intrusion_true"], rel=1e-3)
    assert errors[1]["direction"] == pytest.approx(errors[0]["direction"])
    assert errors[1]["med"] == pytest.approx(errors[0]["med"], abs=0.02)


@pytest.mark.parametrize("store", ["memory", "zarr"])
def test_a_folder_of_flying_parts_is_learned_as_clamped_ones(suite, tmp_path, capsys, store):
    """Both layouts give the same tensors, and `inspect` says what was done."""
    encoded = []
    for name, make in {"clamped": to_series, "flying": flying}.items():
        (tmp_path / name).mkdir()
        for at, part in enumerate(suite.parts("train")[:3]):
            write_series(tmp_path / name / f"run{at}.vtp", make(part))
        options = {"held": "still", "units": "mm, ms, kg", "store": store}
        files = FileParts(source=str(tmp_path / name), size="tiny", **options)
        encoded.append(files.encoded("train")[0])
    clamped, moving = encoded
    for name in ("features", "condition", "position"):
        pair = (getattr(each.graph, name) for each in (moving, clamped))
        np.testing.assert_allclose(*pair, atol=2e-3)
    np.testing.assert_allclose(moving.displacement, clamped.displacement, atol=1e-4)
    inspect(tmp_path / "flying", FileOptions("mm, ms, kg"), held="still")
    printed = " ".join(capsys.readouterr().out.split())
    assert "the part flies into a fixed wall" in printed
    assert "cannot be learned from" not in printed


def test_a_flying_part_without_a_carrier_or_a_wall_is_refused(suite, run):
    part = suite.parts("test")[0]
    turning = flying(part, turn=2e-3)
    for refuse in (
        at_rest,
        lambda each: predict_series(each, PredictOptions(run=run)),
        lambda each: evaluate_series(each, each),
    ):
        with pytest.raises(ReadError, match="no nodes of it move as one body") as error:
            refuse(turning)
        assert "relative to the part's mounts" in str(error.value)
    bare = flying(part)
    kept = {key: value for key, value in bare.features.items() if "point" not in key}
    with pytest.raises(ReadError, match="where the wall stands"):
        from_series(replace(bare, features=kept), Setup(clamped="still"))
    named = replace(bare, features={"velocity_x": 7.0})  # keys of PhysicsNeMo
    errors = evaluate_series(named, named, direction=part.impactor.direction)
    assert part.displacement is not None
    depth = float((part.displacement @ np.asarray(part.impactor.direction)).max())
    assert errors["intrusion_true"] == pytest.approx(depth, rel=1e-2)


def test_a_mesh_before_a_wall_takes_the_velocity_of_the_part(suite, run, tmp_path, capsys):
    """Without history, the place of the wall shows whose velocity is stated."""
    part = suite.parts("test")[0]
    meshes = {}
    for name, series in {"clamped": to_series(part), "flying": flying(part)}.items():
        meshes[name] = replace(series, times=series.times[:1])
        bare = from_series(meshes[name], Setup(clamped="ends"), frames=3)
        np.testing.assert_allclose(bare.impactor.direction, part.impactor.direction)
        write_series(tmp_path / f"{name}.vtp", meshes[name])
        options = PredictOptions(run=run, clamped="ends")
        predict(tmp_path / f"{name}.vtp", tmp_path / f"{name}.pvd", options)
        assert ("leads the impactor away" in capsys.readouterr().out) == (name == "flying")
    pair = (open_series(tmp_path / f"{name}.pvd").displacement() for name in meshes)
    np.testing.assert_allclose(*pair, atol=1e-6)


def test_a_part_with_a_still_node_or_pushed_from_rest_is_left_alone(suite):
    """A free part that is pushed does not fly: most of it stands still in the first state."""
    part = suite.parts("test")[0]
    series = to_series(part)
    assert at_rest(series) is series
    pushed = part.displacement.copy()
    pushed[1] += 1e-3 * np.abs(pushed[1]).max()
    pushed[2] += 0.5 * np.abs(pushed[2]).max()
    free = CrashSeries.from_arrays(series.mesh, series.times, pushed)
    assert at_rest(free) is free
    with pytest.raises(ReadError, match="no node stands still"):
        from_series(free, Setup(clamped="still"))
    none = {CLAMPED_FIELD: np.zeros(pushed.shape[:2])}
    free = CrashSeries.from_arrays(series.mesh, series.times, pushed, point_fields=none)
    assert not from_series(free).clamped.any()
