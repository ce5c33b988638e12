"""The functions that a user imports, called as in their examples."""

import pytest
import torch

import scionwood_methods as api
from scionwood import AdapterError, RecipeError, TrainingError

OPTIONS = {"r": 4, "target_modules": ["0", "2"]}


def base():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(32, 64), torch.nn.GELU(), torch.nn.Linear(64, 8))


def test_refuses_unknown_methods_and_options():
    with pytest.raises(RecipeError, match="Known: disel, smoa"):
        api.method_config("diesel")
    with pytest.raises(RecipeError, match="option 'rank'"):
        api.adapt(base(), "smoa", {"rank": 4})
    with pytest.raises(AdapterError, match="r=0"):
        api.adapt(base(), "smoa", {"r": 0})


def test_adapters_can_be_combined():
    model = api.adapt(base(), "smoa", OPTIONS)
    model.add_adapter("other", api.method_config("smoa", OPTIONS))
    x = torch.randn(4, 32)
    with api.composed(model, {"default": 1.0, "other": 0.5}) as both:
        assert torch.equal(both(x), base()(x))  # new adapters change nothing


def test_refuses_to_diagnose_a_folder_without_a_run(tmp_path):
    with pytest.raises(TrainingError, match="finished run"):
        api.diagnose_run(str(tmp_path))
