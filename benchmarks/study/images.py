"""Runs of the image tasks: frozen features, an adapted tail, and networks from scratch."""

from __future__ import annotations

import copy
import time
from pathlib import Path
from typing import Any, NamedTuple, final

import torch
from methods.measure import file_size
from runner import Row
from torch import Tensor, nn
from torch.nn import functional as F

from study import frozen, weights
from study.encoder import Tail, cached, features, pixels
from study.methods import batches, chosen, diagnosed, groups, timed
from study.pictures import SIDE, draw
from study.rows import packed
from study.settings import Run, registered

PROBES = (0, 1, 2)
"""Draws whose forgetting is measured."""
SHRINK = 0.5
"""Shrinkage of the discriminants on adapted features."""


@final
class Places(NamedTuple):
    """Where the inputs are."""

    work: Path
    onnx: Path | None
    pneumonia: Path | None


@final
class Images:
    """A task on one base, with what is computed once for all of its runs."""

    def __init__(self, task: str, base: str, places: Places) -> None:
        self.task, self.base = task, base
        self.settings = registered()["images"]
        self.data = cached(task, base, *places)
        probe = self.settings["probe"]
        self.probe = cached(probe["task"], base, *places)
        chosen = draw(self.probe["train.label"].numpy(), probe["shots"], 0)
        self.probe_train = torch.from_numpy(chosen)
        model = weights.encoder(places.onnx if base == "real" else None, SIDE)
        self.tail = Tail(model, self.settings["tail"], self.probe["test.tokens"][::8].float())
        self.before = self._probe(self.tail)
        self.early: tuple[Any, Tensor] = (None, torch.zeros(0))

    higher = True

    @property
    def tuned(self) -> int:
        """The number of examples with which rates are chosen."""
        task = self.settings["tasks"][self.task]
        return int(task["tuned"] * task["classes"])

    @staticmethod
    def items(right: Tensor) -> str:
        """Return the answers of a run as text; see `rows.packed`."""
        return packed(right.tolist())

    def distance(self) -> float:
        """Return 1 - cosine of the mean features of the task's images and of photographs."""
        center, other = (data["train.last"].mean(0) for data in (self.data, self.probe))
        return round(1 - float(F.cosine_similarity(center, other, dim=0)), 4)

    def run(self, run: Run, part: str, value: float, readout: str) -> tuple[Tensor, Row]:
        """Fit a method, and return what is right on a part, with what it cost.

        Args:
            run: what to run.
            part: val or test.
            value: the rate, or the penalty or shrinkage of a frozen method.
            readout: head, lda, or both; both gives a row for each.

        Returns:
            (readout, image) bool, and the columns of the row.
        """
        classes = self.settings["tasks"][self.task]["classes"]
        places = torch.from_numpy(
            draw(self.data["train.label"].numpy(), run.n // classes, run.draw)
        )
        torch.manual_seed(run.draw)
        start = time.process_time()
        if run.method in registered()["frozen"]:
            answers, row = [self._frozen(run.method, places, part, value)], {}
        else:
            answers, row = self._trained(run, places, part, value, readout)
        row["seconds"] = round(time.process_time() - start, 3)
        right = torch.stack([answer == self.data[f"{part}.label"] for answer in answers])
        return right, row

    def _frozen(self, method: str, places: Tensor, part: str, value: float) -> Tensor:
        label = self.data["train.label"][places]
        if method == "raw":
            images = self.data["train.image"][places], self.data[f"{part}.image"]
            return frozen.raw(images[0], label, images[1], value)
        if method in ("block_lda", "untrained"):
            sides = self._blocks("train", places), self._blocks(part)
            return frozen.block_lda(sides[0], label, sides[1], value)
        train, test = self.data["train.last"][places], self.data[f"{part}.last"]
        return frozen.LAST[method](train, label, test, value)

    def _blocks(self, part: str, places: Tensor | None = None) -> list[Tensor]:
        """Return the features of every block."""
        blocks = self.data[f"{part}.blocks"]
        return list((blocks if places is None else blocks[places]).float().unbind(1))

    def _adapted_lda(
        self, places: Tensor, part: str, inside: list[Tensor], outside: list[Tensor]
    ) -> Tensor:
        """Return the answers of block-wise LDA with the blocks of an adapted tail."""
        label, early = self.data["train.label"][places], -self.settings["tail"]
        key = (part, tuple(places.tolist()))
        if self.early[0] != key:  # methods of one draw share the blocks before the tail
            sides = self._blocks("train", places)[:early], self._blocks(part)[:early]
            self.early = key, frozen.block_probabilities(sides[0], label, sides[1], SHRINK)
        late = frozen.block_probabilities(inside[:-1], label, outside[:-1], SHRINK)
        return (self.early[1] + late).argmax(1)

    def _trained(
        self, run: Run, places: Tensor, part: str, value: float, readout: str
    ) -> tuple[list[Tensor], Row]:
        method = registered()["methods"][run.method]
        label = self.data["train.label"][places]
        if method.get("trains") in ("everything", "cnn"):
            return self._scratch(run, places, part, value)
        tokens = self.data["train.tokens"][places].float()
        head = nn.Parameter(frozen.means(self.data["train.last"][places], label))

        def loss(model: nn.Module, batch: Tensor) -> Tensor:
            with torch.autocast("cpu", torch.bfloat16):
                states = model(tokens[batch])
            logits = self.settings["scale"] * states @ F.normalize(head, dim=-1).T
            return F.cross_entropy(logits, label[batch])

        head_group = [{"params": [head], "lr": self.settings["head_lr"]}]
        settings = {**self.settings, "n": len(places)}
        settings["seconds"] = method.get("seconds", self.settings["seconds"])
        start, order = time.process_time(), batches(len(places), settings["batch"], run.draw)
        model = chosen(copy.deepcopy(self.tail), method, loss, order, value, settings).train()
        if "prepare" in method:  # what it took is part of the seconds
            settings["seconds"] -= time.process_time() - start
        trains = [*groups(model, value), *head_group]
        steps = timed(lambda batch: loss(model, batch), trains, len(places), settings, run.draw)
        model.eval()
        trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
        row: Row = {"steps": steps, "trained": trained, "stored": file_size(model)}
        late = features(model, self.data[f"{part}.tokens"].float())
        answers = []
        if readout != "lda":
            answers.append((late[-1] @ F.normalize(head.detach(), dim=-1).T).argmax(1))
        if readout != "head":
            answers.append(self._adapted_lda(places, part, features(model, tokens), late))
        if part == "test" and self._probed(run):
            row |= self._lost(model)
        return answers, row

    def _scratch(
        self, run: Run, places: Tensor, part: str, value: float
    ) -> tuple[list[Tensor], Row]:
        """Train a network from random weights for the same seconds."""
        method = registered()["methods"][run.method]
        classes = self.settings["tasks"][self.task]["classes"]
        if method["trains"] == "cnn":
            model: nn.Module = small_cnn(classes)
        else:
            vit = weights.encoder(None, SIDE, run.draw)
            model = nn.Sequential(vit, nn.Linear(vit.num_features, classes))
        model.requires_grad_(True).train()
        images, label = pixels(self.data["train.image"].numpy()), self.data["train.label"]
        inputs, label = images[places], label[places]

        def loss(batch: Tensor) -> Tensor:
            with torch.autocast("cpu", torch.bfloat16):
                return F.cross_entropy(model(inputs[batch]).float(), label[batch])

        steps = timed(loss, groups(model, value), len(places), self.settings, run.draw)
        model.eval()
        test = pixels(self.data[f"{part}.image"].numpy())
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            answer = torch.cat([model(item) for item in test.split(64)]).argmax(1)
        row = {"trained": sum(p.numel() for p in model.parameters()), "steps": steps}
        return [answer], row | {"stored": file_size(model)}

    def _probed(self, run: Run) -> bool:
        """Say whether a run is probed: three draws of the middle size, not on the probe itself."""
        other = self.task != self.settings["probe"]["task"]
        return other and run.draw in PROBES and run.n == self.tuned

    def _lost(self, model: nn.Module) -> Row:
        """Return what the linear probe of photographs lost, and the mean-field diagnosis."""
        return {"forgetting": round(self.before - self._probe(model), 5), **diagnosed(model)}

    def _probe(self, model: Any) -> float:
        """Return the accuracy of a regression on the last layer that tells photographs apart."""
        tokens = self.probe["train.tokens"][self.probe_train], self.probe["test.tokens"]
        train, test = (features(model, token.float())[-1] for token in tokens)
        label = self.probe["train.label"][self.probe_train]
        answer = frozen.regression(train, label, test, 10.0)
        return float((answer == self.probe["test.label"]).float().mean())


def small_cnn(classes: int) -> nn.Module:
    """Return four convolutions with batch norm, the mean over positions, and a linear layer."""
    layers: list[nn.Module] = []
    for before, after in ((3, 16), (16, 32), (32, 64), (64, 96)):
        layers += [nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(96, classes))
