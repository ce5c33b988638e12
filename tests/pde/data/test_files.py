"""Training data from files: crops and pairs, normalisation, splits, and workers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from case_table import table
from torch import Tensor

from scionwood import ReadError, RecipeError, fit, load_run
from scionwood.cli import main
from scionwood.recipes.recipe import resolve
from scionwood_pde.data.files import Files
from scionwood_pde.data.normaliser import Normaliser
from scionwood_pde.readers.cache import write_cache
from scionwood_pde.readers.opening import open_reader
from scionwood_pde.readers.states import from_simulation
from scionwood_pde.readers.write import save_states
from scionwood_pde.solvers import simulate

SMALL = {"measured": 0, "batch_size": 2}


@pytest.fixture(scope="module")
def states() -> xr.DataArray:
    """(sample 6, time 4, channel 3, 16, 16, 16) of Burgers' equation."""
    return from_simulation(simulate("burgers", 16, 3, 3, 0.02, 6, torch.Generator().manual_seed(0)))


@pytest.fixture(scope="module")
def store(states: xr.DataArray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "burgers.zarr"
    save_states(states, path)
    return path


def as_cache(states: xr.DataArray, path: Path) -> None:
    save_states(states, path.with_suffix(".source.zarr"))
    write_cache([open_reader(path.with_suffix(".source.zarr"))], path)


FORMATS: dict[str, Callable[[xr.DataArray, Path], None]] = {
    "states.zarr": save_states,
    "states.hdf5": save_states,
    "states.nc": save_states,
    "cache": as_cache,
}


def everything(data: Files, split: str) -> dict[str, Tensor]:
    batches = list(getattr(data, f"{split}_dataloader")())
    return {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}


@table("name", FORMATS)
def test_every_format_gives_the_same_pairs(name, states, tmp_path):
    FORMATS[name](states, tmp_path / name)
    data = Files(files=[str(tmp_path / name)], fields=["u_z", "u_x"], **SMALL)
    (trajectory,) = data.split["test"]
    samples = everything(data, "test")
    wanted = torch.from_numpy(states.values[trajectory.sample][:, [2, 0]])
    torch.testing.assert_close(data.normaliser.undo(samples["state"]), wanted[:-1])
    torch.testing.assert_close(data.normaliser.undo(samples["next"]), wanted[1:])


def test_a_history_gives_its_oldest_frame_first(store, states):
    data = Files(files=[str(store)], history=3, **SMALL)
    samples = everything(data, "test")
    frames = samples["state"].unflatten(1, (3, 3))
    wanted = torch.from_numpy(states.values[data.split["test"][0].sample])
    torch.testing.assert_close(data.normaliser.undo(frames[0]), wanted[:3])
    torch.testing.assert_close(data.normaliser.undo(samples["next"]), wanted[3:])


def test_the_training_split_alone_sets_the_normaliser(store, states):
    data = Files(files=[str(store)], **SMALL)
    values = states.values[[t.sample for t in data.split["train"]]]
    np.testing.assert_allclose(data.normaliser.mean, values.mean((0, 1, 3, 4, 5)), atol=1e-6)
    np.testing.assert_allclose(data.normaliser.std, values.std((0, 1, 3, 4, 5)), rtol=1e-5)
    assert data.normaliser.fields == ("u_x", "u_y", "u_z")
    assert data.normaliser.interval == pytest.approx(0.02)
    some = Files(files=[str(store)], measured=8).normaliser
    assert some != data.normaliser
    np.testing.assert_allclose(some.std, data.normaliser.std, rtol=0.2)


def test_each_trajectory_belongs_to_one_split(store):
    data = Files(files=[str(store)], val_share=0.34, test_share=0.01, **SMALL)
    sizes = {split: len(trajectories) for split, trajectories in data.split.items()}
    assert sizes == {"train": 3, "val": 2, "test": 1}
    together = [t for trajectories in data.split.values() for t in trajectories]
    assert len(set(together)) == 6
    assert data.split == Files(files=[str(store)], val_share=0.34, test_share=0.01).split
    others = [Files(files=[str(store)], seed=seed).split for seed in range(5)]
    assert any(other["test"] != others[0]["test"] for other in others)


def test_a_split_can_have_its_own_files(states, tmp_path):
    for i, name in enumerate(("a_train", "b_train", "val", "test")):
        save_states(states[i : i + 1], tmp_path / f"{name}.hdf5")
    data = Files(
        files=[str(tmp_path / "*_train.hdf5")],
        val_files=[str(tmp_path / "val.hdf5")],
        test_files=[str(tmp_path / "test.hdf5")],
    )
    assert {
        split: [t.source for t in trajectories] for split, trajectories in data.split.items()
    } == {
        "train": [0, 1],
        "val": [2],
        "test": [3],
    }


def test_a_stride_pairs_states_further_apart(store, states):
    data = Files(files=[str(store)], time_stride=3, **SMALL)
    samples = everything(data, "test")
    (trajectory,) = data.split["test"]
    wanted = torch.from_numpy(states.values[trajectory.sample, 3:])
    torch.testing.assert_close(data.normaliser.undo(samples["next"]), wanted)
    assert data.normaliser.interval == pytest.approx(0.06)
    alone = everything(Files(files=[str(store)], time_stride=0, **SMALL), "test")
    assert alone.keys() == {"state"}
    assert len(alone["state"]) == 4


def test_crops_are_random_in_training_and_fixed_in_validation(store):
    data = Files(files=[str(store)], crop=8, **SMALL)
    loader = data.train_dataloader()
    loader.sampler.set_epoch(0)
    first = next(iter(loader))["state"]
    loader.sampler.set_epoch(1)
    second = {digest for batch in loader for digest in batch["state"].sum((1, 2, 3, 4)).tolist()}
    assert first.shape == (2, 3, 8, 8, 8)
    assert not second & set(first.sum((1, 2, 3, 4)).tolist())
    torch.testing.assert_close(everything(data, "val"), everything(data, "val"))


def test_both_states_of_a_pair_are_cropped_at_one_place(store, states):
    """If the fields do not change in time, both states of a pair are equal."""
    still = Files(files=[str(store)], crop=8, **SMALL)
    dataset: Any = still.train_dataloader().dataset.inner
    numbers = dataset.sources[0]

    class Still:
        path, layout = numbers.path, numbers.layout

        def frames(self, places: Any, window: Any) -> Any:
            (sample, _), *rest = places
            return numbers.frames([(sample, 0)] * (1 + len(rest)), window)

    dataset.sources = [Still()]
    sample = dataset[0]
    assert torch.equal(sample["state"], sample["next"])


def test_workers_have_processes_that_did_not_fork(store):
    loader = Files(workers=1, files=[str(store)], **SMALL).train_dataloader()
    assert loader.num_workers == 1
    assert loader.multiprocessing_context.get_start_method() == "forkserver"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker processes")
@pytest.mark.parametrize("start", ["forkserver", "spawn"])
@pytest.mark.parametrize("name", FORMATS)
def test_four_workers_complete_three_epochs(name, start, states, tmp_path):
    FORMATS[name](states, tmp_path / name)
    options: dict[str, Any] = {"files": [str(tmp_path / name)], "crop": 8, **SMALL}
    data = Files(workers=4, start=start, **options)
    assert data.normaliser.std[0] > 0  # measuring has started Zarr's threads
    loader = data.train_dataloader()
    seen = []
    for epoch in range(3):
        loader.sampler.set_epoch(epoch)
        seen.append(torch.cat([batch["state"] for batch in loader]).sum())
    assert len({float(x) for x in seen}) == 3


def test_refuses_files_that_differ_or_do_not_fit(states, tmp_path):
    one = states[:1]
    save_states(one, tmp_path / "a.zarr")
    faults = {
        "fields": one.assign_coords(channel=["v_x", "v_y", "v_z"]),
        "units": one.assign_coords(unit=("channel", ["m/s"] * 3)),
        "steps": one[:, ::2],
    }
    for what, other in faults.items():
        save_states(other, tmp_path / "b.zarr", overwrite=True)
        with pytest.raises(ReadError, match=rf"b.zarr: its {what} are .*those of the first"):
            Files(files=[str(tmp_path / "[ab].zarr")])
    files = [str(tmp_path / "a.zarr")]
    with pytest.raises(RecipeError, match="in train and in val: a file belongs to one split"):
        Files(files=files, val_files=files)
    save_states(states.isel(z=0).drop_vars("z"), tmp_path / "plane.zarr")
    with pytest.raises(RecipeError, match="axes x, y: the model is three-dimensional"):
        Files(files=[str(tmp_path / "plane.zarr")])


@table(
    ("options", "message"),
    [
        ({"files": []}, "files: none"),
        ({"files": ["nothing/*.h5"]}, "train: nothing/.*no file has this name"),
        ({"time_stride": -1}, "time_stride: -1"),
        ({"time_stride": 4}, "a file has only 4 times"),
        ({"history": 4}, "history: 4: a file has only 4 times"),
        ({"history": 0}, "history: 0, time_stride: 1"),
        ({"history": 2, "time_stride": 0}, "history lie time_stride apart"),
        ({"crop": 17}, r"crop: 17: it is 2 or more, and at most the sides \(16, 16, 16\)"),
        ({"crop": 1}, "crop: 1: it is 2 or more"),
        ({"val_share": 0.9, "test_share": 0.4}, "6 trajectories in files"),
    ],
)
def test_refuses_options_that_do_not_fit(options, message, store):
    with pytest.raises(RecipeError, match=message):
        Files(**{"files": [str(store)], **options})


@pytest.mark.slow
def test_a_recipe_trains_on_files_and_keeps_their_normaliser(store, tmp_path):
    options = [f"data={{name: pde/files, files: ['{store}'], crop: 16}}"]
    recipe = resolve("pde/dynamics", [*options, "trainer.max_steps=1", "backbone.tile=16"])
    run = fit(recipe, run_dir=tmp_path / "run")
    assert Normaliser.read(run) == Files(files=[str(store)], crop=16).normaliser
    assert load_run(run).backbone is not None


def test_a_domain_smaller_than_the_tile_is_refused_with_the_option_that_helps(
    states, tmp_path, capsys
):
    save_states(states, tmp_path / "states.nc")
    data = f"{{name: pde/files, files: ['{tmp_path / 'states.nc'}'], time_stride: 0}}"
    command = ["fit", "pde/autoencode", "--smoke", "--data", data]
    refused = [*command, "--run", str(tmp_path / "refused"), "--backbone.tile", "32"]
    assert main(refused) == 2
    told = capsys.readouterr().err
    assert "(16, 16, 16) voxels: it is smaller than the tile of 32" in told
    assert "--backbone.tile null" in told
