from __future__ import annotations

from typing import Any

import pytest
import torch
from peft import LoraConfig
from torch import Tensor, nn

import scionwood
from scionwood import attach
from scionwood_seismic.backbones import dinov3_unet
from scionwood_seismic.data.synthetic import SyntheticGathers
from scionwood_seismic.evaluation import metrics
from scionwood_seismic.tasks.denoise import Denoise


@pytest.fixture(scope="module")
def batch() -> dict[str, Tensor]:
    data = SyntheticGathers(n_traces=48, n_samples=64, batch_size=4)
    return next(iter(data.train_dataloader()))


def task(**options: Any) -> Denoise:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = attach(dinov3_unet(), LoraConfig(r=4), targets="attention")
    return Denoise(model, **options)


def test_the_loss_is_the_weighted_sum_of_its_parts(batch):
    with torch.no_grad():
        losses = task(distance="mse", ssim_weight=0.3).losses(batch)
    assert losses["loss"] == pytest.approx(
        0.7 * losses["mse"].item() + 0.3 * losses["one_minus_ms_ssim"].item()
    )


def test_the_default_distance_is_the_error_over_the_signal(batch):
    losses = Denoise(nn.Identity(), ssim_weight=0.0).losses(batch)
    snr = metrics.snr(batch["clean"], batch["noisy"])
    assert losses["loss"] == pytest.approx((10 ** (-snr / 20)).mean().item(), rel=0.01)
    assert losses["mse"] == pytest.approx((10 ** (-snr / 10)).mean().item(), rel=0.01)
    scaled = {key: value * 1e-3 for key, value in batch.items()}
    same = (Denoise(nn.Identity()).losses(each)["loss"].item() for each in (batch, scaled))
    assert next(same) == pytest.approx(next(same), rel=1e-4), "the unit does not matter"


def test_a_perfect_result_has_a_finite_gradient(batch):
    model = nn.Conv2d(1, 1, 1)
    with torch.no_grad():
        model.weight.fill_(1.0)
        model.bias.fill_(0.0)
    clean = {**batch, "noisy": batch["clean"]}
    Denoise(model, ssim_weight=0.0).losses(clean)["loss"].backward()
    assert model.weight.grad.isfinite().all()


def test_metrics_are_means_over_the_batch(batch):
    with torch.no_grad():
        values = task().metrics(batch)
    assert values["snr_in"] == pytest.approx(
        metrics.snr(batch["clean"], batch["noisy"]).mean().item()
    )
    assert set(values) == {
        "snr_in",
        "snr",
        "psnr",
        "ms_ssim",
        "ms_ssim_r",
        "amplitude_ratio",
        "local_similarity",
        "kurtosis_removed",
    }
    assert all(torch.isfinite(value) for value in values.values())


def test_adapts_only_on_the_test_split(tmp_path):
    small = {"data.n_train": 2, "trainer.max_steps": 1, "data.n_test": 1, "data.batch_size": 1}
    small["task.tta_steps"] = 3
    recipe = scionwood.resolve("seismic/denoise_tta", small, smoke=True)
    run = scionwood.fit(recipe, run_dir=tmp_path / "run")
    header = (run / "metrics.csv").read_text().splitlines()[0]
    assert "snr_tta" not in header
    values = scionwood.test(run)
    assert values["test_snr_tta"] != values["test_snr"]
    assert 0 < values["test_adapted"] <= 1
