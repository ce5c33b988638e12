"""The displacement task: its losses and its figures."""

import pytest
import torch

from scionwood_crash.backbones import MaskMorphUNet
from scionwood_crash.tasks.displacement import Displacement


def test_the_loss_weights_every_part_equally(batch):
    task = Displacement(MaskMorphUNet(frames=3), intrusion_weight=0.0, edge_weight=0.0)
    graph, true = batch["graph"], batch["displacement"]
    alone = []
    predicted = task.predict(batch)[0].detach()
    direction = graph.condition[:, 12:15]
    for at in range(len(graph.condition)):
        mine = graph.batch == at
        gap = (predicted - true)[mine].norm(dim=-1).mean()
        alone.append(gap / (true[mine] @ direction[at]).max())
    assert task.losses(batch)["loss"].item() == pytest.approx(float(torch.stack(alone).mean()))
    assert task.batch_size(batch) == 4


def test_the_loss_includes_the_plastic_strain(batch):
    task = Displacement(MaskMorphUNet(frames=3, plastic=True), strain_weight=2.0, energy_weight=0.5)
    losses = task.losses(batch)
    total = losses["displacement"] + losses["intrusion"] + losses["edges"]
    total = total + 2 * losses["strain"] + 0.5 * losses["energy"]
    assert losses["loss"].item() == pytest.approx(total.item())
    assert set(task.metrics(batch)) > {"energy_error", "edge_strain_predicted", "ripple_true"}


def test_parts_without_plastic_strain_train_the_displacements(batch):
    task = Displacement(MaskMorphUNet(frames=3, plastic=True))
    without = {name: value for name, value in batch.items() if name != "plastic_strain"}
    losses = task.losses(without)
    assert set(losses) == {"loss", "displacement", "intrusion", "edges"}
    losses["loss"].backward()
    plastic = task.backbone.decode["plastic"]
    assert all(not p.grad.any() for p in plastic.parameters())
    assert "energy_error" not in task.metrics(without)
