"""The Python interface accepts arrays and paths."""

import numpy as np
import pytest

import scionwood_pde as pde
from scionwood import ReadError, RecipeError


def test_arrays_and_files_give_the_same_result(tmp_path):
    states = pde.simulate(n=1, n_points=16, n_steps=2)
    pde.write_states(states, str(tmp_path / "states.zarr"))
    rows = pde.evaluate(states * np.float32(1.1), states, pde.Placing(fields=["u_z", "u_x"]))
    assert [row["field"] for row in rows] == ["u_z", "u_x"]
    assert rows == pde.evaluate(
        states * np.float32(1.1), tmp_path / "states.zarr", pde.Placing(fields=["u_z", "u_x"])
    )
    with pytest.raises(ReadError, match="no field 'pressure'"):
        pde.evaluate(states, states, pde.Placing(fields=["pressure"]))
    with pytest.raises(RecipeError, match="no equation has this name"):
        pde.simulate(equation="heat")


def test_a_result_does_not_replace_the_file_from_which_it_is_made(tmp_path):
    file, latents = tmp_path / "a.zarr", tmp_path / "latents"
    pde.write_states(pde.simulate(n=1, n_points=16, n_steps=1), file)
    same = tmp_path / "." / "a.zarr"
    with pytest.raises(RecipeError, match="it is the file that is read"):
        pde.convert(file, same, force=True)
    with pytest.raises(RecipeError, match="it is the file that is read"):
        pde.encode(file, str(same), force=True)
    with pytest.raises(RecipeError, match="it is the file that is read"):
        pde.rollout(file, same, force=True)
    pde.encode(file, latents)
    with pytest.raises(RecipeError, match="it is the file that is read"):
        pde.decode(latents, latents, force=True)
    assert pde.open_states(file).shape == (1, 2, 3, 16, 16, 16)
