"""A whole training step as a CUDA graph on a card: `make test-gpu` runs this file.

It needs lightning beside torch, triton, peft and pytest, and is skipped without it.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
STEPS = 12


def fitted(folder, *, by_graph, precision="32-true", dropout=0.0, lr=1e-2):
    """Train for some steps; return the losses, the trained weights and the replays of a graph."""
    lightning = pytest.importorskip("lightning")
    peft = pytest.importorskip("peft")
    import scionwood
    from scionwood_scale.graph import CudaGraph

    class Regression(scionwood.Task):
        def losses(self, batch):
            x, y = batch
            return {"loss": (self.backbone(x) - y).square().mean()}

    class Seen(lightning.Callback):
        capture_safe = True

        def on_train_batch_end(self, trainer, pl_module, outputs, *_):
            losses.append(float(outputs["loss"]))
            self.replays = pl_module.replay.replays if pl_module.replay else 0

    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(256, 512), nn.GELU(), nn.Dropout(dropout), nn.Linear(512, 64))
    config = peft.LoraConfig(r=8, lora_dropout=dropout)
    task = Regression(scionwood.attach(net, config, targets=r"0|3", head=()), lr=lr)
    scionwood.kernels.enable(task.backbone)
    rows = [(torch.randn(256), torch.randn(64))] * (STEPS * 16)
    losses: list[float] = []
    seen = Seen()
    trainer = lightning.Trainer(
        accelerator="gpu", devices=1, max_steps=STEPS, precision=precision, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        limit_val_batches=0, default_root_dir=folder,
        callbacks=[seen, *([CudaGraph(mode="on")] if by_graph else [])],
    )  # fmt: skip
    torch.manual_seed(1)
    loader = scionwood.authoring.DataLoader(rows, batch_size=16)
    trainer.fit(task, loader, loader)
    weights = [p.detach().cpu() for p in task.parameters() if p.requires_grad]
    return losses, weights, seen.replays


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_captured_step_trains_like_usual_steps(precision, tmp_path, capsys):
    """Three steps come before the capture; the others are replays, and none is lost."""
    losses, weights, _ = fitted(tmp_path, by_graph=False, precision=precision)
    captured, others, replays = fitted(tmp_path, by_graph=True, precision=precision)
    assert replays == STEPS - 3
    assert "operations of a step are one launch" in capsys.readouterr().err
    assert captured[-1] < captured[0]
    torch.testing.assert_close(captured, losses, rtol=1e-4, atol=0)
    torch.testing.assert_close(others, weights, rtol=1e-3, atol=1e-6)


def test_each_replay_draws_another_mask(tmp_path):
    """All batches are equal, and nothing is learned: only dropout tells the losses apart."""
    losses, _, replays = fitted(tmp_path, by_graph=True, dropout=0.3, lr=1e-30)
    assert replays == STEPS - 3
    assert len(set(losses)) == STEPS
