"""Runs of the dense task: outline lesions in brain slices, which no threshold of grey finds."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
import torch
from biomed_volumes_data import SIDE, lesion_at, template
from methods.measure import file_size
from monai.networks.nets import UNet
from runner import Row
from scipy.ndimage import gaussian_gradient_magnitude, gaussian_laplace
from skimage.filters import gaussian
from sklearn.ensemble import RandomForestClassifier
from torch import Tensor, nn
from torch.nn import functional as F

from study import weights
from study.encoder import pixels, split
from study.methods import groups, prepare, timed
from study.pictures import PARTS
from study.settings import Run, cached_tensors, registered

SEED, SIGMAS, SAMPLED = 280, (1.0, 2.0, 4.0, 8.0), 2000


@final
class Maps(nn.Module):
    """The last blocks of the encoder, and a linear head on the tokens of each of them.

    Shapes: tokens (batch, 197, 384) in, logits (batch, 128, 128) out. `features` returns (batch,
    196, 1536): the patch tokens of four blocks, each of mean 0 and variance 1.
    """

    def __init__(self, model: Any, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(list(model.blocks)[-blocks:])
        self.head = nn.Linear(blocks * model.num_features, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.constant_(self.head.bias, -2.0)  # a tenth of a slice is lesion at the start

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the logits of each pixel."""
        return self.outlined(self.features(tokens))

    def features(self, tokens: Tensor) -> Tensor:
        """Return the patch tokens of all blocks."""
        maps = []
        for block in self.blocks:
            tokens = block(tokens)
            maps.append(F.layer_norm(tokens[:, 1:], tokens.shape[-1:]))
        return torch.cat(maps, -1)

    def outlined(self, features: Tensor) -> Tensor:
        """Return the logits of each pixel from features."""
        logits: Tensor = self.head(features).squeeze(-1)
        side = round(logits.shape[1] ** 0.5)
        grid = logits.view(-1, 1, side, side).float()
        return F.interpolate(grid, (SIDE, SIDE), mode="bilinear").squeeze(1)


@final
class Fit(NamedTuple):
    """What trains: a network, how it is called, its inputs, and the groups of its parameters."""

    model: nn.Module
    forward: Callable[[Tensor], Tensor]
    train: Tensor
    test: Tensor
    groups: list[dict[str, Any]]


@final
class Lesions:
    """The task on one base, with what is computed once for all of its runs."""

    higher = True

    def __init__(self, base: str, work: Path, onnx: Path | None) -> None:
        self.settings = registered()["dense"]
        self.tuned = int(self.settings["tasks"]["lesions"]["tuned"])
        model = weights.encoder(onnx if base == "real" else None, self.settings["side"])
        file = work / f"lesions-{base}.safetensors"
        self.data = cached_tensors(file, lambda: _inputs(model, self.settings))
        self.maps = Maps(model, self.settings["tail"])
        self.frozen: dict[str, Tensor] = {}

    @staticmethod
    def items(scores: Tensor) -> str:
        """Return the Dice coefficient of each slice as text."""
        return " ".join(f"{item:.3f}" for item in scores.tolist())

    def run(self, run: Run, part: str, value: float, readout: str) -> tuple[Tensor, Row]:
        """Fit a method, and return the Dice coefficient of each slice of a part, with the cost.

        Args:
            run: what to run.
            part: val or test.
            value: the rate, or the threshold of the forest.
            readout: has no meaning here.
        """
        places = run.places(len(self.data["train.mask"]))
        torch.manual_seed(run.draw)
        start = time.process_time()
        row: Row = {}
        if run.method == "pixels":
            answer = self._forest(places, part, run.draw) > value
        else:
            logits, row = self._trained(run, places, part, value)
            answer = logits > 0
        row["seconds"] = round(time.process_time() - start, 3)
        return dice(answer, self.data[f"{part}.mask"])[None], row

    def _forest(self, places: Tensor, part: str, seed: int) -> Tensor:
        """Return the share of trees that call each pixel lesion."""
        rng = np.random.default_rng(seed)
        inside, label = [], []
        for at in places.tolist():
            chosen = rng.integers(SIDE * SIDE, size=SAMPLED)
            inside.append(responses(self.data["train.image"][at])[chosen])
            label.append(self.data["train.mask"][at].flatten().numpy()[chosen])
        forest = RandomForestClassifier(100, min_samples_leaf=8, random_state=seed, n_jobs=1)
        forest.fit(np.concatenate(inside), np.concatenate(label))
        probabilities = [
            forest.predict_proba(responses(i))[:, 1] for i in self.data[f"{part}.image"]
        ]
        return torch.from_numpy(np.stack(probabilities)).view(-1, SIDE, SIDE)

    def _trained(self, run: Run, places: Tensor, part: str, value: float) -> tuple[Tensor, Row]:
        """Train on some slices, and return the logits of a part with what was trained."""
        fit = self._fit(registered()["methods"][run.method], part, value)
        train, label = fit.train[places].float(), self.data["train.mask"][places].float()

        def loss(indices: Tensor) -> Tensor:
            with torch.autocast("cpu", torch.bfloat16):
                logits = fit.forward(train[indices])
            return outline_loss(logits.float(), label[indices])

        fit.model.train()
        steps = timed(loss, fit.groups, len(places), self.settings, run.draw)
        fit.model.eval()
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            logits = torch.cat([fit.forward(indices.float()) for indices in fit.test.split(10)])
        count = sum(p.numel() for p in fit.model.parameters() if p.requires_grad)
        return logits, {"steps": steps, "trained": count, "stored": file_size(fit.model)}

    def _fit(self, method: dict[str, Any], part: str, lr: float) -> Fit:
        """Return the network that a method trains, with its inputs and its rates."""
        if method.get("trains") == "unet":
            net = UNet(2, 1, 1, (16, 32, 64, 128), (2, 2, 2))
            sides = [self.data[f"{name}.image"][:, None] for name in ("train", part)]
            return Fit(net, lambda x: net(x).squeeze(1), *sides, groups(net, lr))
        maps = copy.deepcopy(self.maps)
        if method.get("trains") == "head":
            maps.blocks.requires_grad_(False)
            sides = [self._features("train"), self._features(part)]
            return Fit(maps, maps.outlined, *sides, groups(maps, lr))
        model = prepare(maps, method, "images")
        trained = groups(model, lr)  # before the head, which has its own rate
        head = set(maps.head.requires_grad_(True).parameters())
        for group in trained:
            group["params"] = [p for p in group["params"] if p not in head]
        head_group = {"params": list(maps.head.parameters()), "lr": self.settings["head_lr"]}
        sides = [self.data[f"{name}.tokens"] for name in ("train", part)]
        return Fit(model, model, *sides, [*trained, head_group])

    @torch.no_grad()
    def _features(self, part: str) -> Tensor:
        if part not in self.frozen:
            with torch.autocast("cpu", torch.bfloat16):
                features = [
                    self.maps.features(x.float()).bfloat16()
                    for x in self.data[f"{part}.tokens"].split(16)
                ]
            self.frozen[part] = torch.cat(features)
        return self.frozen[part]


def responses(image: Tensor) -> np.ndarray:
    """Return 13 filter responses of each pixel of a slice: grey, blur, gradient, Laplacian."""
    grey = image.numpy()
    filters = [grey]
    for sigma in SIGMAS:
        filters += [gaussian(grey, sigma), gaussian_gradient_magnitude(grey, sigma)]
        filters.append(gaussian_laplace(grey, sigma))
    return np.stack(filters, -1).reshape(-1, len(filters))


def outline_loss(logits: Tensor, mask: Tensor) -> Tensor:
    """Return cross-entropy and soft Dice of (slice, row, column), added."""
    share = logits.sigmoid()
    both = (share * mask).sum((1, 2))
    overlap = (2 * both + 1) / (share.sum((1, 2)) + mask.sum((1, 2)) + 1)
    return F.binary_cross_entropy_with_logits(logits, mask) + 1 - overlap.mean()


def dice(answer: Tensor, mask: Tensor) -> Tensor:
    """Return the Dice coefficient of each slice; no mask is empty."""
    both = (answer & mask).sum((1, 2))
    return 2 * both / (answer.sum((1, 2)) + mask.sum((1, 2)))


def _inputs(model: Any, settings: dict[str, Any]) -> dict[str, Tensor]:
    """Return `image` and `mask` (slice, 128, 128) and `tokens` before the tail, for each part."""
    tensors: dict[str, Tensor] = {}
    base = template()
    for number, part in enumerate(PARTS):
        rng = np.random.default_rng([SEED, number])
        image, mask = [], []
        while len(image) < settings["tasks"]["lesions"][part]:
            values, blob, at = lesion_at(base, rng, settings["radius"], sick=True)
            if (blob[at] > 0.5).any():
                image.append(values[at])
                mask.append(blob[at] > 0.5)
        tensors[f"{part}.image"] = torch.from_numpy(np.stack(image))
        tensors[f"{part}.mask"] = torch.from_numpy(np.stack(mask))
        large = F.interpolate(
            tensors[f"{part}.image"][:, None], (settings["side"],) * 2, mode="bilinear"
        )
        halves = [
            split(model, pixels(x[:, 0].numpy()), settings["tail"])[0] for x in large.split(16)
        ]
        tensors[f"{part}.tokens"] = torch.cat(halves)
    return tensors
