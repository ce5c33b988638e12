"""A folder of your own simulations: three layouts, settings, time axes, and bad input."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from case_table import table

from scionwood import ReadError, RecipeError, cli, fit, resolve
from scionwood_crash.backbones import MaskMorphUNet
from scionwood_crash.data.files import FileParts
from scionwood_crash.data.suite import SuiteParts
from scionwood_crash.parts.mesh import CrashSeries
from scionwood_crash.parts.part import Part
from scionwood_crash.parts.plausibility import check_clamps
from scionwood_crash.parts.quantities import Settings
from scionwood_crash.parts.resample import at_times, resampled
from scionwood_crash.parts.series import Setup, from_series, to_series
from scionwood_crash.parts.units import UNKNOWN
from scionwood_crash.readers import open_series, write_series
from scionwood_crash.readers.globals_json import NAME, read_features, write_features

pytestmark = pytest.mark.usefixtures("inline")

MEANINGS = {
    "velocity_x": "velocity_x km/h",
    "velocity_z": "velocity_z km/h",
    "m": "mass t",
    "pole": "radius m",
    "cylinder": "cylinder",
    "sigma_y": "yield_stress MPa",
    "comment_id": "ignore",
}
LAYOUTS = {"d3plots": "{}/d3plot", "physicsnemo": "{}.vtp", "vtkhdf": "{}.vtkhdf"}
STATES = 7  # of the files, where the networks of these tests predict three


def bare(part: Part) -> CrashSeries:
    """Return the history alone, as solvers write it: no units, clamps, impact and material."""
    full = to_series(resampled(part, STATES))
    strain = {"plastic_strain": full.cell_field("plastic_strain")}
    mesh = replace(full.mesh, units=UNKNOWN)
    return CrashSeries.from_arrays(mesh, full.times, full.displacement(), cell_fields=strain)


def stated(part: Part, index: int) -> dict[str, float]:
    impactor = part.impactor
    velocity = 3.6 * impactor.speed * np.array(impactor.direction)
    return {
        "velocity_x": velocity[0],
        "velocity_z": velocity[2],
        "m": impactor.mass / 1000,
        "pole": impactor.radius / 1000,
        "cylinder": float(impactor.kind == "cylinder"),
        "sigma_y": 1000 * part.material.yield_stress,
        "comment_id": 7.0,
        "gap": 0.1 * index,
    }


@pytest.fixture(scope="module")
def parts(suite: SuiteParts) -> list[Part]:
    return [*suite.parts("train"), *suite.parts("val")][:4]


@pytest.fixture(scope="module")
def layouts(parts: list[Part], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("layouts")
    for layout, name in LAYOUTS.items():
        for index, part in enumerate(parts):
            path = folder / layout / name.format(f"run{index}")
            path.parent.mkdir(parents=True, exist_ok=True)
            write_series(path, bare(part))
            write_features(folder / layout, {f"run{index}": stated(part, index)})
    return folder


def files(source: Path, **options: Any) -> FileParts:
    known: dict[str, Any] = {"settings": MEANINGS, "units": "mm, ms, kg", "held": "still"}
    return FileParts(source=str(source), n_val=0, n_test=0, **{**known, **options})


@table("layout", LAYOUTS)
def test_a_folder_of_runs_is_understood(layouts, parts, layout):
    if layout == "d3plots":
        pytest.importorskip("lasso")
    read = files(layouts / layout, frames=3).parts("train")
    assert [part.name for part in read] == ["run0", "run1", "run2", "run3"]
    for index, (part, wanted) in enumerate(zip(read, parts, strict=True)):
        assert part.impactor.speed == pytest.approx(wanted.impactor.speed)
        assert part.impactor.direction == pytest.approx(wanted.impactor.direction, abs=1e-6)
        assert part.impactor.mass == pytest.approx(wanted.impactor.mass)
        assert part.material.yield_stress == pytest.approx(wanted.material.yield_stress)
        assert part.conditions == {"gap": pytest.approx(0.1 * index)}
        assert (part.clamped | ~wanted.clamped).all(), "the clamped nodes never move"
        assert part.times == pytest.approx(np.linspace(0, wanted.times[-1], 3))
        within = 5e-3 * float(np.abs(wanted.displacement).max())
        np.testing.assert_allclose(part.displacement, wanted.displacement, atol=within)


@pytest.mark.parametrize(
    "layout",
    [
        "physicsnemo",
        pytest.param("d3plots", marks=pytest.mark.slow),
        pytest.param("vtkhdf", marks=pytest.mark.slow),
    ],
)
def test_a_run_on_files_predicts_at_the_times_of_a_file(layouts, layout, tmp_path, capsys, caplog):
    if layout == "d3plots":
        pytest.importorskip("lasso")
    data = {"name": "crash/files", "source": str(layouts / layout), "settings": MEANINGS}
    data |= {"units": "mm, ms, kg", "held": "still", "n_val": 1, "n_test": 1}
    changes = {f"data.{name}": value for name, value in data.items()}
    changes |= {"backbone.conditions": ["gap"], "trainer.accelerator": "cpu"}
    recipe = resolve("crash/transfer_lora", changes, smoke=True)
    assert recipe.data.options["frames"] == 3, "those of the network"
    assert "crash/files has no option families" in caplog.text
    run = fit(recipe, run_dir=tmp_path / "run")
    source, target = layouts / layout / LAYOUTS[layout].format("run0"), tmp_path / "out.vtp"
    capsys.readouterr()
    assert cli.main(["crash", "predict", str(source), str(target), "--run", str(run)]) == 0
    assert "assumed" not in capsys.readouterr().out, "the recipe of the run states everything"
    predicted, given = open_series(target), open_series(source)
    assert predicted.times == pytest.approx(given.times)
    moved = predicted.displacement()
    assert moved.shape == given.displacement().shape
    # Of seven states, the network predicts the first, the middle and the last.
    np.testing.assert_allclose(moved[1], moved[0] + (moved[3] - moved[0]) / 3, atol=1e-6)
    if layout != "physicsnemo":
        return
    # Another key is another condition, and is not taken for the one that the network knows.
    other = tmp_path / "run0.vtp"
    shutil.copyfile(source, other)
    write_features(tmp_path, {"run0": {**read_features(source), "gaps": 1.0}})
    target = tmp_path / "other.vtp"
    assert cli.main(["crash", "predict", str(other), str(target), "--run", str(run)]) == 2
    assert "the run states gap, gaps, and the network takes gap" in capsys.readouterr().err


def test_the_backbone_must_take_the_further_keys(layouts):
    data = files(layouts / "vtkhdf", frames=3)
    graph = next(iter(data.train_dataloader()))["graph"]
    with pytest.raises(RecipeError, match="state 1 further conditions, and the backbone takes 0"):
        MaskMorphUNet(frames=3)(*graph)
    assert MaskMorphUNet(frames=3, conditions=["gap"])(*graph).shape[1:] == (3, 3)


def test_what_is_missing_is_asked_for_by_name(layouts):
    with pytest.raises(ReadError, match="states: direction, speed, mass, yield_stress") as caught:
        files(layouts / "vtkhdf", settings=None).parts("train")
    assert "further keys comment_id, cylinder, gap, m, pole" in caught.value.rule
    assert "settings: {cylinder: cylinder 1}" in caught.value.remedy
    with pytest.raises(ReadError, match="no field 'held'"):
        files(layouts / "vtkhdf", held="field").parts("train")
    # An option states for all runs what no key does.
    fewer = {key: text for key, text in MEANINGS.items() if key != "m"} | {"m": "ignore"}
    read = files(layouts / "vtkhdf", settings=fewer, mass=33.0).parts("train")
    assert {part.impactor.mass for part in read} == {33.0}


def test_units_of_a_file_apply_to_its_own_names_only_and_wrong_meanings_are_refused():
    factors = (1000.0, 1000.0, 1.0)  # metres, seconds, kilograms
    keys = {"impactor_speed": 5.0, "v": 18.0, "gap": 2.0, "novelty_limit": 1.0}
    ours, further = Settings({"v": "speed km/h"}).stated({**keys}, factors)
    assert ours == {"impactor_speed": pytest.approx(5.0), "novelty_limit": 1.0}
    assert further == {"gap": 2.0}
    for meanings, rule in (
        ({"a": "velocity"}, "a quantity is one of speed"),
        ({"a": "speed"}, "the unit of speed is one of m/s"),
        ({"a": "speed furlong"}, "the unit of speed is one of m/s"),
        ({"a": "speed m/s", "b": "speed km/h"}, "'a' has that meaning already"),
    ):
        with pytest.raises(RecipeError, match=rule):
            Settings(meanings)


def test_bad_runs_are_refused(parts, tmp_path):
    full = to_series(resampled(parts[0], STATES))
    write_series(tmp_path / "metres.vtp", replace(full, mesh=replace(full.mesh, units=UNKNOWN)))
    with pytest.raises(ReadError, match=r"largest displacement|length of the part is .* mm, not"):
        files(tmp_path / "metres.vtp", units="m, ms, kg", settings={}).parts("train")
    with pytest.raises(ReadError, match=r"stated as clamped move by up to .* mm; .* never move"):
        check_clamps(replace(parts[0], clamped=~parts[0].clamped))
    alive = np.ones((STATES, len(full.mesh.cells)), bool)
    alive[-1, :3] = False
    moved = full.displacement()
    eroded = CrashSeries.from_arrays(full.mesh, full.times, moved, alive=alive)
    write_series(tmp_path / "eroded.vtp", replace(eroded, features=full.features))
    with pytest.raises(ReadError, match=r"3 of .* shells are deleted by the last state"):
        files(tmp_path / "eroded.vtp", settings={}).parts("train")
    write_series(tmp_path / "back.zarr", replace(full, times=full.times[::-1].copy()))
    with pytest.raises(ReadError, match="times do not increase"):
        files(tmp_path / "back.zarr", settings={}).parts("train")
    (tmp_path / "two").mkdir()
    for index, part in enumerate(parts[:2]):
        series = to_series(part)
        features = series.features | ({"gap": 1.0} if index else {})
        write_series(tmp_path / "two" / f"{index}.vtp", replace(series, features=features))
    with pytest.raises(ReadError, match="differ in the keys gap"):
        files(tmp_path / "two", settings={}, held="field").parts("train")


def test_inspect_prints_what_was_understood(layouts, tmp_path, capsys):
    folder = layouts / "vtkhdf"
    assert cli.main(["crash", "inspect", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "run3" in shown
    assert "missing: speed (all runs)" in shown
    assert "missing: held (all runs)" in shown
    assert "a further condition: gap (all runs)" in shown
    options = ["--settings", json.dumps(MEANINGS), "--held", "still", "--units", "mm, ms, kg"]
    assert cli.main(["crash", "inspect", str(folder), *options, "--json"]) == 0
    seen = json.loads(capsys.readouterr().out)["runs"]
    assert [each["missing"] for each in seen] == [[]] * 4
    assert [each["faults"] for each in seen] == [[]] * 4
    assert seen[0]["values"]["states"] == STATES
    assert seen[0]["values"]["speed"].endswith(" m/s")
    (tmp_path / "notes.txt").write_text("x")
    assert cli.main(["crash", "inspect", str(tmp_path)]) == 2
    assert "no file with a history, only notes.txt" in capsys.readouterr().err


def test_a_run_in_a_folder_takes_the_settings_beside_the_folder(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / NAME).write_text('{"a": {"v": 1}, "b": {"v": 2}}')
    assert read_features(tmp_path / "a" / "d3plot") == {"v": 1.0}
    assert read_features(tmp_path / "b.vtp") == {"v": 2.0}
    monkeypatch.chdir(tmp_path / "a")
    assert read_features(Path("d3plot")) == {"v": 1.0}


def test_predictions_between_states_are_linear_and_exact_at_states():
    times, values = np.array([0.0, 1.0, 4.0]), np.array([0.0, 2.0, 8.0])
    assert at_times(values, times, np.array([0.0, 0.5, 1.0, 2.5, 4.0])).tolist() == [0, 1, 2, 5, 8]
    assert at_times(values, times, times) is values


def test_the_impact_point_is_an_option(parts):
    series = replace(to_series(parts[0]), features={})
    points = parts[0].points
    middle = Setup(clamped="field")
    aside = Setup(clamped="field", point=(float(points[:, 0].min()), 0.0, 200.0))
    assert from_series(series, aside).impactor.point == aside.point
    assert from_series(series, middle).impactor.point != aside.point


def test_stores_without_connectivity_take_the_shells_of_a_mesh(parts, tmp_path):
    (tmp_path / "meshes").mkdir()
    for index, part in enumerate(parts[:2]):
        path = tmp_path / f"run{index}.zarr"
        write_series(path, bare(part))
        for array in path.glob("mesh_connectivity_*"):
            shutil.rmtree(array)
        first = replace(to_series(part), times=np.zeros(1), features={})
        write_series(tmp_path / "meshes" / f"run{index}.vtp", first)
        write_features(tmp_path, {f"run{index}": stated(part, index)})
    with pytest.raises(ReadError, match=r"holds nodes and edges.*mesh: decks/\{run\}\.k"):
        files(tmp_path / "run0.zarr").parts("train")
    stores = str(tmp_path / "run*.zarr")
    read = files(Path(stores), mesh=str(tmp_path / "meshes" / "{run}.vtp")).parts("train")
    for part, wanted in zip(read, parts, strict=False):
        assert np.array_equal(part.cells, wanted.cells)
        assert part.thickness == pytest.approx(wanted.thickness, rel=0.2)  # means on nodes
    with pytest.raises(ReadError, match=r"nodes, and the mesh has|lie up to"):
        files(tmp_path / "run0.zarr", mesh=str(tmp_path / "meshes" / "run1.vtp")).parts("train")
