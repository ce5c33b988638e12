"""A test of dynamics logs the linear filters of the training split, and the skill over them."""

import pytest

import scionwood
import scionwood_pde as pde
from scionwood_pde.data.files import Files
from scionwood_pde.data.trajectories import Trajectories
from scionwood_pde.tasks.baselines import baselines
from scionwood_pde.tasks.states import mean_vrmse

SMALL = {"n_points": 16, "n_frames": 3, "n_train": 2, "n_val": 1, "n_test": 1, "batch_size": 2}


def test_a_test_of_a_run_logs_filters_and_skill(run):
    values = scionwood.test(run)
    names = ("persistence", "damped", "shell", "mode")
    best = min(values[f"test_vrmse_{name}"] for name in names)
    assert values["test_skill"] == pytest.approx(1 - values["test_vrmse"] / best, abs=1e-5)


def test_files_and_simulations_have_the_same_filters(tmp_path):
    simulated = Trajectories(**SMALL)
    batch = next(iter(simulated.test_dataloader()))
    scored = baselines(simulated, mean_vrmse)
    errors = scored.add(batch["state"].new_tensor(0.1), batch["state"], batch["next"], None)
    assert set(errors) == {"vrmse_damped", "vrmse_shell", "vrmse_mode"}
    assert scored.skill() == pytest.approx(1 - 0.1 / min(map(float, errors.values())))
    pde.write_states(pde.simulate(n=4, n_points=16, n_steps=2), tmp_path / "a.zarr")
    files = Files(files=[str(tmp_path / "a.zarr")])
    assert baselines(files, mean_vrmse) is not None
    assert baselines(Files(files=[str(tmp_path / "a.zarr")], time_stride=0), mean_vrmse) is None
    assert baselines(Trajectories(**SMALL, strides=[1, 2]), mean_vrmse) is None
