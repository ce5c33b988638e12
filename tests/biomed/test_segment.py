"""The task of segmentation: its Dice is that of the whole split."""

from __future__ import annotations

import lightning as L
import pytest
import torch

from scionwood_biomed.tasks.segment import Segment


class Threshold(torch.nn.Module):
    """Mark what is bright."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.stack([0.5 - image[:, 0], image[:, 0] - 0.5], 1)


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
def test_the_dice_of_a_split_does_not_depend_on_the_batches():
    """An image without a structure has no Dice of its own, and a large one counts as it is."""
    rng = torch.Generator().manual_seed(0)
    image = torch.rand(6, 1, 16, 16, generator=rng)
    mask = ((image[:, 0] + 0.2 * torch.rand(6, 16, 16, generator=rng)) > 0.6).long()
    image[0], mask[0], mask[1, :12] = 0.0, 0, 0
    items = [{"image": i, "mask": m} for i, m in zip(image, mask, strict=True)]
    found, truth = image[:, 0] > 0.5, mask > 0
    dice = 2 * (found & truth).sum() / (found.sum() + truth.sum())
    for size in (1, 2, 6):
        trainer = L.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False)
        loader = torch.utils.data.DataLoader(items, batch_size=size)
        (values,) = trainer.test(Segment(Threshold()), loader, verbose=False)
        assert values["test_dice"] == pytest.approx(float(dice), abs=1e-5)
