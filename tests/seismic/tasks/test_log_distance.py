"""The loss of the field recipes, and a training that continues a run."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from scionwood import TrainingError, fit, load_run, resolve
from scionwood_seismic.backbones import field_unet
from scionwood_seismic.data.field import FieldCrops
from scionwood_seismic.evaluation import metrics
from scionwood_seismic.tasks.denoise import LOG_FLOOR, Denoise


@pytest.fixture(scope="module")
def batch() -> dict[str, Tensor]:
    data = FieldCrops(n_traces=32, n_samples=48, batch_size=6, clean_share=0.0)
    return next(iter(data.train_dataloader()))


class Kept(nn.Module):
    """A network that returns its input, whatever else it is told."""

    def forward(self, x: Tensor, mask: Tensor | None = None, level: Tensor | None = None) -> Tensor:
        return x


def test_the_log_distance_is_the_mean_snr_in_negative_tenths(batch):
    loss = Denoise(Kept(), distance="log", ssim_weight=0.0).losses(batch)["loss"]
    expected = -metrics.snr(batch["clean"], batch["noisy"]) / 10
    assert loss == pytest.approx(expected.mean().item(), abs=0.02)
    silent = {**batch, "clean": torch.zeros_like(batch["clean"])}
    assert Denoise(Kept(), distance="log", ssim_weight=0.0).losses(silent)["loss"] == 0


def test_a_perfect_result_reaches_the_floor_and_has_a_gradient(batch):
    clean = {**batch, "noisy": batch["clean"]}
    loss = Denoise(Kept(), distance="log", ssim_weight=0.0).losses(clean)["loss"]
    assert 10 ** loss.item() == pytest.approx(LOG_FLOOR, rel=1e-3)
    task = Denoise(field_unet(), distance="log", ssim_weight=0.0)
    task.losses(clean)["loss"].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in task.parameters())


def test_mask_and_level_reach_the_network(batch):
    seen = []

    class Spy(Kept):
        def forward(
            self, x: Tensor, mask: Tensor | None = None, level: Tensor | None = None
        ) -> Tensor:
            seen.append((mask, level))
            return x

    Denoise(Spy(), distance="log", ssim_weight=0.0).losses(batch)
    ((mask, level),) = seen
    assert torch.equal(mask, batch["mask"])
    assert torch.equal(level, batch["level"])


def test_a_training_starts_from_the_weights_of_a_run(tmp_path):
    one = ["trainer.max_steps=1"]
    first = fit(resolve("seismic/shot", one, smoke=True), run_dir=tmp_path / "first")
    still = [*one, "task.lr=0.0", f"task.start={first}"]
    second = fit(resolve("seismic/shot", still, smoke=True), run_dir=tmp_path / "second")
    ours, theirs = (load_run(run).backbone.state_dict() for run in (second, first))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    other = resolve("seismic/shot", ["task.start=seismic/denoise"], smoke=True)
    with pytest.raises(TrainingError, match="is in"):
        fit(other, run_dir=tmp_path / "other")
    fresh = field_unet().state_dict()
    assert any(not torch.equal(ours[name], fresh[name]) for name in fresh)
