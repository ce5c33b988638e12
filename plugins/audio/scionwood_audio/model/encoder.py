"""Whisper's encoder in plain torch: importing that of transformers takes 200 MB."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood import WeightsError
from scionwood.authoring import read_tensors, read_utf8
from scionwood_audio.model.weights import load_whisper, place_of

PREFIX = "model.encoder."


@final
class Attention(nn.Module):
    """Self-attention; as published, keys have no bias."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj, self.v_proj = nn.Linear(width, width), nn.Linear(width, width)
        self.k_proj, self.out_proj = nn.Linear(width, width, bias=False), nn.Linear(width, width)

    def forward(self, states: Tensor) -> Tensor:
        """Return what each position takes from all others, (batch, position, width)."""
        parts = [part(states) for part in (self.q_proj, self.k_proj, self.v_proj)]
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        mixed = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        answer: Tensor = self.out_proj(mixed)
        return answer


@final
class Layer(nn.Module):
    """A layer of the encoder, normalised before its parts."""

    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.self_attn = Attention(width, heads)
        self.self_attn_layer_norm, self.final_layer_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.fc1, self.fc2 = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, states: Tensor, _: None = None) -> Tensor:
        """Return the states after the layer; transformers calls its own with a mask."""
        states = states + self.self_attn(self.self_attn_layer_norm(states))
        changed: Tensor = self.fc2(F.gelu(self.fc1(self.final_layer_norm(states))))
        return states + changed


@final
class Encoder(nn.Module):
    """The front end and the layers; the names are those of transformers.

    Source: A. Radford et al., Robust speech recognition via large-scale weak supervision (2023).
    """

    def __init__(self, state: dict[str, Tensor], heads: int, positions: int) -> None:
        super().__init__()
        width, bands, _ = state["conv1.weight"].shape
        count = len({name.split(".")[1] for name in state if name.startswith("layers.")})
        inner = len(state["layers.0.fc1.weight"])
        with torch.device("meta"):  # neither memory nor random numbers for what is replaced
            self.conv1 = nn.Conv1d(bands, width, 3, padding=1)
            self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
            self.embed_positions = nn.Embedding(positions, width)
            self.layers = nn.ModuleList([Layer(width, heads, inner) for _ in range(count)])
            self.layer_norm = nn.LayerNorm(width)
        # The table is sinusoidal: the first positions are those of a shorter window.
        table = {"embed_positions.weight": state["embed_positions.weight"][:positions].clone()}
        self.load_state_dict(state | table, assign=True)
        self.embed_positions.requires_grad_(False)


def load_encoder(weights: str, positions: int, seed: int) -> Encoder:
    """Build the encoder in evaluation mode; see `load_whisper`."""
    place = Path("" if weights == "random" else place_of(weights))
    if not (place / "model.safetensors").is_file():
        network = load_whisper(weights, positions, seed)
        heads = int(network.config.encoder_attention_heads)
        return Encoder(network.model.encoder.state_dict(), heads, positions).eval()
    try:
        config: Any = json.loads(read_utf8(place / "config.json"))
        stored = read_tensors(place / "model.safetensors")
        state = {
            name.removeprefix(PREFIX): values.float()
            for name, values in stored.items()
            if name.startswith(PREFIX)
        }
        return Encoder(state, int(config["encoder_attention_heads"]), positions).eval()
    except (KeyError, ValueError, RuntimeError) as error:
        rule = f"it holds no Whisper ({str(error).splitlines()[0][:200]})"
        remedy = "Give a folder with config.json and model.safetensors, or `package`"
        raise WeightsError(str(place), rule, remedy) from error
