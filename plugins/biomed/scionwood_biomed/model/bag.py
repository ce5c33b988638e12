"""A frozen vision tower with attention pooling over the cells of all slices of a volume."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood import RecipeError
from scionwood_biomed.model.block_classifier import VISION
from scionwood_biomed.model.blocks import after, blocks, class_tokens
from scionwood_biomed.model.segmenter import grid
from scionwood_biomed.model.timm_tower import card_of, load_vision
from scionwood_biomed.model.tower_network import TowerNetwork

GRID = 7
"""Largest number of rows and columns of cells in a slice."""
SHRINK = 0.1
"""Share of the identity in the covariance of the cells."""


MEMBERS = 8
"""Poolings of a head, each fitted to training volumes that are drawn anew."""


@final
class Pooling(nn.Module):
    """Gated attention over the cells of a volume.

    Args:
        width: width of a cell.
        hidden: width of the attention.
        classes: number of classes.

    Source: Ilse et al. 2018, arXiv:1802.04712, equation 9.
    """

    def __init__(self, width: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.embed = nn.Linear(width, hidden)
        self.value, self.gate = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)
        self.attend, self.out = nn.Linear(hidden, 1), nn.Linear(hidden, classes)

    def forward(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Map (batch, cell, width) to logits (batch, class) and attention (batch, cell)."""
        x = F.dropout(cells, 0.25, self.training)
        x = F.dropout(F.relu(self.embed(x)), 0.25, self.training)
        scores = self.attend(torch.tanh(self.value(x)) * torch.sigmoid(self.gate(x)))
        attention = scores.squeeze(-1).softmax(-1)
        return self.out((attention[..., None] * x).sum(1)), attention


@final
class BagHead(nn.Module):
    """Attention over cells, after each cell was compared with its place; the mean of some poolings.

    Args:
        shape: slices, cells of a slice, and channels of a cell.
        width: directions of the cells that are kept.
        hidden: width of the attention.
        classes: number of classes.

    Source: Ilse et al. 2018, arXiv:1802.04712; the comparison with the place is this project's.
    """

    mean: Tensor
    scale: Tensor
    basis: Tensor
    threshold: Tensor
    fitted_flag: Tensor

    def __init__(self, shape: tuple[int, int, int], width: int, hidden: int, classes: int) -> None:
        super().__init__()
        channels = shape[2]
        width = min(width, channels)
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("scale", torch.ones(shape))
        sums = torch.eye(width).repeat(math.ceil(channels / width), 1)[:channels]
        self.register_buffer("basis", sums / sums.norm(dim=0))  # sums of all channels
        self.register_buffer("threshold", torch.full((1,), 0.5))
        self.register_buffer("fitted_flag", torch.zeros(1))
        self.members = nn.ModuleList(Pooling(width, hidden, classes) for _ in range(MEMBERS))
        self.sharpness = nn.Parameter(torch.ones(1))

    @property
    def fitted(self) -> bool:
        """Whether the head has been fitted."""
        return bool(self.fitted_flag > 0)

    @torch.no_grad()
    def fit_places(self, cells: Tensor, reference: Tensor) -> None:
        """Fit what is usual at each place, and the directions in which cells differ.

        Args:
            cells: (volume, slice, cell, channel) of the training volumes.
            reference: (volume,) bool, the volumes that say what is usual.
        """
        usual = cells[reference]
        self.mean.copy_(usual.mean(0))
        variance = usual.var(0, correction=1) if len(usual) > 1 else torch.ones_like(self.mean)
        # Few volumes give a noisy variance at each place: it is averaged with the slices beside it
        # and drawn halfway to that of all places.
        padded = torch.cat([variance[:1], variance, variance[-1:]])
        near = (padded[:-2] + variance + padded[2:]) / 3
        self.scale.copy_((0.5 * near + 0.5 * variance.mean((0, 1))).sqrt() + 1e-6)
        deviations = ((usual - self.mean) / self.scale).flatten(0, 2)
        covariance = deviations.T @ deviations / len(deviations)
        eye = torch.eye(len(covariance)).to(covariance)
        shrunk = (1 - SHRINK) * covariance + SHRINK * covariance.diagonal().mean() * eye
        # With S^-1 = L L', deviations x L have the unit covariance L' S L.
        white = torch.linalg.cholesky(torch.linalg.inv(shrunk))
        whitened = ((cells - self.mean) / self.scale).flatten(0, 2) @ white
        # In units of what is usual, the directions in which all training volumes differ most.
        _, vectors = torch.linalg.eigh(whitened.T @ whitened)
        directions = white @ vectors.flip(1)[:, : self.basis.shape[1]]
        self.basis.copy_(directions / (whitened @ vectors).std().clamp_min(1e-9))

    def placed(self, cells: Tensor) -> Tensor:
        """Map cells (batch, slice, cell, channel) to (batch, slice * cell, width)."""
        compared: Tensor = ((cells - self.mean) / self.scale) @ self.basis
        return compared.flatten(1, 2)

    def each(self, placed: Tensor) -> tuple[Tensor, Tensor]:
        """Map (batch, cell, width) to what each pooling says.

        Returns:
            Log-probabilities (pooling, batch, class), and attention (pooling, batch, cell).
        """
        answers, attention = zip(*(member(placed) for member in self.members), strict=True)
        sharp = torch.stack(answers) * self.sharpness
        return sharp.log_softmax(-1), torch.stack(attention)

    def forward(self, cells: Tensor) -> Tensor:
        """Map cells (batch, slice, cell, channel) to logits (batch, class)."""
        answers = self.each(self.placed(cells))[0]
        # The logarithm of the mean of the probabilities.
        return answers.logsumexp(0) - math.log(len(self.members))

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the probabilities that belong to logits (batch, class)."""
        return logits.softmax(-1)

    exclusive = True


@final
class BagClassifier(TowerNetwork):
    """A frozen vision tower with attention pooling over the cells of all slices.

    Args:
        model: as for `biomed/blocks`.
        weights: as for `biomed/blocks`.
        size: as for `biomed/blocks`.
        slices: number of slices of a volume.
        classes: names of the classes.
        width: directions of the cells that are kept.
        hidden: width of the attention.
        init_seed: seed of random weights.

    Shapes: image (batch, slice, 3, size, size) float32 to logits (batch, class).

    Units: images from 0 (black) to 1 (white); the softmax of the logits gives probabilities.

    Raises:
        WeightsError: no model can be loaded by this name.
        AdapterError: the tower has no list of blocks that is known.
        RecipeError: there are fewer than two classes, or a name occurs twice.

    Source: Ilse et al. 2018, arXiv:1802.04712 (attention pooling).
    """

    head = ("answer",)

    def __init__(
        self,
        *,
        model: str = "tiny",
        weights: str | None = None,
        size: int | None = None,
        slices: int = 16,
        classes: Sequence[str] = ("no", "yes"),
        width: int = 32,
        hidden: int = 32,
        init_seed: int = 0,
    ) -> None:
        super().__init__()
        tower = load_vision(model, weights, size, init_seed)
        self.adopt(tower, classes, 2, "Give those of your data")
        self.card, self.slices = card_of(model, weights), slices
        count = len(blocks(tower.model))
        self.at = sorted({count // 3, max(2 * count // 3 - 1, 0)})
        with torch.no_grad():
            _, places, depth = self._cells(torch.zeros(1, 3, self.size, self.size)).shape
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(init_seed)
            self.answer = BagHead((slices, places, depth), width, hidden, len(classes))
        # Adapters in blocks that the head never sees would get no gradient.
        unused = after(tower.model, self.at[-1])
        names = [
            name
            for name, module in self.named_modules()
            if re.fullmatch(VISION, name) and isinstance(module, nn.Linear) and module not in unused
        ]
        self.adapter_targets = {"vision": "|".join(map(re.escape, names))} if names else {}

    def cells(self, image: Tensor) -> Tensor:
        """Return (batch, slice, cell, channel) of volumes (batch, slice, 3, size, size).

        Raises:
            RecipeError: the volume has another number of slices, or another size.
        """
        shape = (self.slices, 3, self.size, self.size)
        if tuple(image.shape[1:]) != shape:
            rule = f"the network takes {shape[0]} slices of {shape[2]} x {shape[3]}"
            remedy = "Set data.slices and data.size to these"
            raise RecipeError(f"volumes of {tuple(image.shape[1:])}", rule, remedy)
        flat = (image.flatten(0, 1) - self._mean) / self._std
        cells = self._cells(flat)
        return cells.reshape(-1, self.slices, *cells.shape[1:])

    def forward(self, image: Tensor) -> Tensor:
        """Map volumes (batch, slice, 3, size, size) from 0 to 1 to logits (batch, class)."""
        logits: Tensor = self.answer(self.cells(image))
        return logits

    def every(self, image: Tensor) -> Tensor:
        """Return the probabilities of each pooling, (pooling, batch, class)."""
        return self.answer.each(self.answer.placed(self.cells(image)))[0].exp()

    def attention(self, image: Tensor) -> Tensor:
        """Return how much each slice counts, (batch, slice); the sum over slices is 1."""
        cells = self.cells(image)
        weights: Tensor = self.answer.each(self.answer.placed(cells))[1].mean(0)
        return weights.reshape(len(weights), self.slices, -1).sum(-1)

    def example_input(self) -> tuple[Tensor, ...]:
        """Return two noise volumes."""
        return (torch.rand(2, self.slices, 3, self.size, self.size),)

    def _cells(self, image: Tensor) -> Tensor:
        maps, classes = self.vision.maps(image), class_tokens(self.vision.tower)
        parts = [grid(maps[at], classes) for at in self.at]
        rows = min(GRID, *(part.shape[-1] for part in parts))
        small: list[Any] = [F.adaptive_avg_pool2d(part, rows) for part in parts]
        return torch.cat(small, 1).flatten(2).transpose(1, 2)
