"""Bytes stored for the backward pass: unique storages, without parameters and the batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from runner import Row, machine
from torch import Tensor, nn

from lora.forms import DROPOUT
from lora.models import (
    CONVNET,
    REGIMES,
    SETUPS,
    TINY,
    TINY_CONVNET,
    Regime,
    Setup,
    Variant,
    adapters,
    floors,
    language_models,
    prepare,
)


def rows(device: str, quick: bool) -> Iterator[Row]:
    """Yield the rows of lora_memory.csv."""
    setups = [TINY, TINY_CONVNET] if quick else [*SETUPS[device], CONVNET]
    for setup in setups:
        yield from _setup(setup, device, REGIMES)
    size = (64, 1, 8, 1) if quick else (512, 6, 512, 2)
    for setup in language_models(*size):
        yield from _setup(setup, device, REGIMES[-1:])


def _setup(setup: Setup, device: str, regimes: Sequence[Regime]) -> Iterator[Row]:
    for regime in regimes:
        floor = {v.form: bytes_of(setup, v, device) for v in floors(regime)}
        for targets in setup.targets:
            for dropout in (0.0, DROPOUT):
                if dropout and setup.targets.keys() == {"conv"}:
                    continue  # dropout of channels: peft's own forward runs
                several = list(adapters(regime, targets, dropout))
                sizes = floor | {v.form: bytes_of(setup, v, device) for v in several}
                for form, size in sizes.items():
                    yield {
                        "device": device,
                        "model": setup.title,
                        "regime": regime.name,
                        "targets": targets,
                        "dropout": dropout,
                        "form": form,
                        "mib": f"{size / 2**20:.2f}",
                        "times_ours": f"{size / sizes['ours']:.3f}",
                        "over_frozen": f"{size / floor['frozen']:.3f}",
                        **machine(device),
                    }


def bytes_of(setup: Setup, variant: Variant, device: str) -> int:
    """Return the bytes that the forward pass of a variant stores."""
    model = prepare(setup, variant).to(device)
    x = torch.randn(setup.shape, device=device).to(variant.regime.base)
    with torch.autocast(device, torch.bfloat16, enabled=variant.regime.autocast):
        return kept_by(model, x)


def kept_by(model: nn.Module, x: Tensor) -> int:
    """Return the bytes that a forward pass stores."""
    sizes: dict[int, tuple[Tensor, int]] = {}  # tensors, so that no address is used twice
    ignored = {_address(t) for t in [x, *model.parameters(), *model.buffers()]}

    def pack(tensor: Tensor) -> Tensor:
        tensor = tensor.detach()  # returned as it is, it would keep its own graph alive for ever
        if _address(tensor) not in ignored:
            sizes[_address(tensor)] = tensor, tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = model(x)
    assert output.requires_grad, "nothing is kept: nothing is differentiated"
    return sum(size for _, size in sizes.values())


def _address(tensor: Tensor | nn.Parameter) -> int:
    return tensor.untyped_storage().data_ptr()
