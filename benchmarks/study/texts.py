"""Runs of the text tasks: SmolLM2 untouched, with n-grams, and with its last blocks adapted."""

from __future__ import annotations

import copy
import time
from collections import Counter
from pathlib import Path
from typing import Any, final

import torch
from methods.measure import file_size
from runner import Row
from torch import Tensor, nn
from torch.nn import functional as F

from study.corpus import TEXTS, general, split_by_part
from study.methods import diagnosed, groups, prepare, timed
from study.settings import Run, cached_tensors, registered

ORDER, CHUNK = 3, 8


@final
class Tail(nn.Module):
    """The last blocks of a language model, its norm and its output layer, which never trains.

    Shapes: hidden states (batch, token, 576) in, logits (batch, token, vocabulary) out.
    """

    def __init__(self, model: Any, blocks: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(list(model.model.layers)[-blocks:])
        self.norm, self.rotary, self.config = model.model.norm, model.model.rotary_emb, model.config
        self.register_buffer("output", model.lm_head.weight.detach().to(torch.bfloat16))
        self.probe: Tensor | None = None

    def forward(self, hidden: Tensor, at: Tensor | None = None) -> Tensor:
        """Return the logits, of the tokens `at` if given."""
        places = torch.arange(hidden.shape[1])[None]
        rotated = self.rotary(hidden, places)
        for layer in self.layers:
            hidden = layer(hidden, position_ids=places, position_embeddings=rotated)
        chosen = hidden if at is None else hidden[:, at]
        return F.linear(self.norm(chosen).to(torch.bfloat16), self.output)

    def example_input(self) -> tuple[Tensor, ...]:
        """Return hidden states of general text, on which a diagnosis measures the drift."""
        assert self.probe is not None
        return (self.probe,)


@final
class Texts:
    """A text task with what is computed once for all of its runs."""

    higher = False

    def __init__(self, task: str, work: Path, gguf: Path) -> None:
        self.task, self.settings = task, registered()["text"]
        self.tuned = int(self.settings["tuned"])
        model, tokenizer = _model(gguf)
        self.tail = Tail(model, self.settings["tail"])
        file = work / f"{task}.safetensors"
        self.data = cached_tensors(file, lambda: _inputs(task, model, tokenizer, self.settings))
        self.tail.probe = self.data["general.hidden"][::CHUNK].float()
        self.before = float(self._losses(self.tail, "general").mean())

    @staticmethod
    def items(losses: Tensor) -> str:
        """Return the nats of each sequence as text."""
        return " ".join(f"{item:.3f}" for item in losses.tolist())

    def run(self, run: Run, part: str, value: float, readout: str) -> tuple[Tensor, Row]:
        """Fit a method, and return the nats a token of each sequence of a part, with the cost.

        Args:
            run: what to run.
            part: val or test.
            value: the rate, or the share of the n-grams.
            readout: has no meaning here.
        """
        places = run.places(len(self.data["train.ids"]))
        torch.manual_seed(run.draw)
        start = time.process_time()
        row: Row = {}
        if run.method == "untouched":
            losses = self._losses(self.tail, part)
        elif run.method == "ngram":
            losses = self._mixed(places, part, value)
        else:
            losses, row = self._trained(run, places, part, value)
        return losses[None], row | {"seconds": round(time.process_time() - start, 3)}

    def _trained(self, run: Run, places: Tensor, part: str, value: float) -> tuple[Tensor, Row]:
        method = registered()["methods"][run.method]
        tail = copy.deepcopy(self.tail)
        model = prepare(tail, method, "text").train()
        hidden, ids = self.data["train.hidden"][places], self.data["train.ids"][places]

        def loss(batch: Tensor) -> Tensor:
            # The vocabulary costs more than the blocks: each step takes the loss at a few places.
            at = torch.randperm(ids.shape[1] - 1)[: self.settings["places"]]
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(hidden[batch].float(), at)
            return F.cross_entropy(logits.float().flatten(0, 1), ids[batch][:, at + 1].flatten())

        steps = timed(loss, groups(model, value), len(places), self.settings, run.draw)
        model.eval()
        trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
        row: Row = {"steps": steps, "trained": trained, "stored": file_size(model)}
        if part == "test":
            general_loss = float(self._losses(model, "general").mean())
            row |= {"forgetting": round(general_loss - self.before, 5), **diagnosed(model)}
        return self._losses(model, part), row

    @torch.no_grad()
    def _losses(self, model: nn.Module, part: str) -> Tensor:
        """Return the mean nats a token of each sequence."""
        return -self._chosen(model, part).log().mean(1)

    @torch.no_grad()
    def _chosen(self, model: nn.Module, part: str) -> Tensor:
        """Return the probability of each next token, (sequence, token - 1)."""
        trials = []
        for hidden, ids in self._batches(part):
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(hidden.float())[:, :-1].float()
            nats = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
            trials.append((-nats).exp().view(len(ids), -1))
        return torch.cat(trials).clamp_min(1e-30)

    def _batches(self, part: str) -> Any:
        pairs = self.data[f"{part}.hidden"].split(CHUNK), self.data[f"{part}.ids"].split(CHUNK)
        return zip(*pairs, strict=True)

    def _mixed(self, places: Tensor, part: str, share: float) -> Tensor:
        """Return the nats of the frozen model mixed with n-grams of the training text."""
        grams = Grams(self.data["train.ids"][places].tolist())
        chances = torch.tensor([grams.sequence(row) for row in self.data[f"{part}.ids"].tolist()])
        return -((1 - share) * self._chosen(self.tail, part) + share * chances).log().mean(1)


class Grams:
    """Counts of one to three tokens, interpolated as Witten and Bell do."""

    def __init__(self, sequences: list[list[int]]) -> None:
        self.count: Counter[tuple[int, ...]] = Counter()
        self.after: dict[tuple[int, ...], list[int]] = {}
        for row in sequences:
            for size in range(1, ORDER + 1):
                for at in range(len(row) - size + 1):
                    self._add(tuple(row[at : at + size]))

    def _add(self, gram: tuple[int, ...]) -> None:
        counts = self.after.setdefault(gram[:-1], [0, 0])  # occurrences, and different followers
        counts[1] += gram not in self.count
        counts[0] += 1
        self.count[gram] += 1

    def sequence(self, row: list[int]) -> list[float]:
        """Return the probability of each token after the first."""
        return [
            self.probability(row[max(0, at - ORDER + 1) : at], row[at]) for at in range(1, len(row))
        ]

    def probability(self, before: list[int], token: int) -> float:
        """Return the probability of a token after others; unknown tokens get nothing."""
        chance = 0.0
        for size in range(min(len(before), ORDER - 1) + 1):
            context = tuple(before[len(before) - size :])
            total, kinds = self.after.get(context, (0, 0))
            if total:
                chance = (self.count[(*context, token)] + kinds * chance) / (total + kinds)
        return chance


def _model(gguf: Path) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    place = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    model: Any = AutoModelForCausalLM.from_pretrained(**place, dtype=torch.float32)
    return model.eval().requires_grad_(False), AutoTokenizer.from_pretrained(**place)


@torch.no_grad()
def _inputs(task: str, model: Any, tokenizer: Any, settings: dict[str, Any]) -> dict[str, Tensor]:
    """Return `train.ids` (sequence, token) and `train.hidden` before the tail, for each part."""
    tensors: dict[str, Tensor] = {}
    for part, documents in {**split_by_part(TEXTS[task]()), "general": general()}.items():
        ids = _sequences(documents, tokenizer, settings["tokens"], settings[part])
        hidden = []
        for chunk in ids.split(CHUNK):
            with torch.autocast("cpu", torch.bfloat16):
                hidden.append(_before(model, chunk, settings["tail"]))
        tensors |= {f"{part}.ids": ids, f"{part}.hidden": torch.cat(hidden)}
    return tensors


def _before(model: Any, ids: Tensor, blocks: int) -> Tensor:
    """Return the hidden states before the last blocks, (sequence, token, 576) bfloat16."""
    inner = model.model
    hidden = inner.embed_tokens(ids)
    places = torch.arange(ids.shape[1])[None]
    rotated = inner.rotary_emb(hidden, places)
    for layer in list(inner.layers)[:-blocks]:
        hidden = layer(hidden, position_ids=places, position_embeddings=rotated)
    return hidden.to(torch.bfloat16)


def _sequences(documents: list[str], tokenizer: Any, length: int, count: int) -> Tensor:
    """Return the first whole sequences of documents, drawn once; none spans two documents."""
    rows = []
    for text in documents:
        ids = tokenizer(text)["input_ids"]
        rows += [ids[at : at + length] for at in range(0, len(ids) - length + 1, length)]
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(28))
    return torch.tensor([rows[at] for at in order[:count]])
