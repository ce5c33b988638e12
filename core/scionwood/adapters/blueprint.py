"""What an adapter's file must hold, found out on a copy of the model that the file cannot touch."""

from __future__ import annotations

import copy
import warnings

import torch
import torch.nn as nn
from peft import PeftConfig
from peft.utils import get_peft_model_state_dict

from scionwood.adapters.attaching import wrap
from scionwood.adapters.head import backbone
from scionwood.adapters.modules import tuner_layers
from scionwood.errors import AdapterError

SPARE = 64 << 20
"""Bytes that an adapter may always take, however small its base."""

NO_SIZES = ("seed", "prng", "alpha", "step", "warmup", "interval", "tinit", "tfinal", "deltaT")
"""Words in the names of options whose whole numbers are no sizes."""


def blueprint(model: nn.Module, config: PeftConfig, names: list[str]) -> dict[str, torch.Tensor]:
    """The tensors that a saved adapter of this config has for this model.

    The copy lives on the meta device, where a tensor of any size costs nothing. A few methods read
    values while they are built; for those the copy is real, and what they allocate was bounded by
    `check_rank` before.

    Raises:
        AdapterError: peft cannot build it.
    """
    config = copy.deepcopy(config)
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")  # the same ones follow when the adapter is attached
        try:
            with torch.device("meta"):
                tuned = wrap(skeleton(model, meta=True), copy.deepcopy(config), "default", names)
                return dict(get_peft_model_state_dict(tuned, save_embedding_layers=False))
        except NotImplementedError:  # read while the tensors are named
            pass
        except AdapterError as error:
            if not isinstance(error.__cause__, RuntimeError):  # NotImplementedError is one too
                raise
        tuned = wrap(skeleton(model, meta=False), config, "default", names)
        return dict(get_peft_model_state_dict(tuned, save_embedding_layers=False))


def skeleton(model: nn.Module, *, meta: bool) -> nn.Module:
    """A copy of the bare backbone, its tensors without values where `meta` is true.

    Raises:
        AdapterError: the backbone holds something that cannot be copied.
    """
    memo: dict[int, object] = {}
    for module in model.modules() if meta else ():
        held = [*module._parameters.values(), *module._buffers.values(), *vars(module).values()]
        for value in held:
            if isinstance(value, torch.Tensor):
                memo[id(value)] = _hollow(value)
    try:
        copied = copy.deepcopy(model, memo)
    except (TypeError, RuntimeError) as error:
        raise AdapterError(
            type(backbone(model)).__name__, f"cannot be copied ({error})", "Make it deep-copyable"
        ) from error
    if not tuner_layers(copied):
        return backbone(copied)
    bare: nn.Module = copied.base_model.unload()  # type: ignore[operator, union-attr]
    return bare


def check_rank(config: PeftConfig, model: nn.Module, names: list[str]) -> None:
    """Bound what the sizes in a config can make peft allocate by the size of the base.

    Raises:
        AdapterError: naming the option.
    """
    sizes = [p.shape for n in names for p in backbone(model).get_submodule(n).parameters()]
    width = sum(sum(shape) for shape in sizes)
    widest = max((max(shape, default=1) for shape in sizes), default=1)
    budget = SPARE + 4 * sum(p.numel() * p.element_size() for p in model.parameters())
    for option, size in sizes_in(config):
        is_rank = option in ("r", "mini_r", "init_r", "hybrid_r") or "rank" in option
        each = width if is_rank else 1
        if (is_rank and size < 0) or (size > widest and 8 * size * each > budget):
            raise AdapterError(
                f"{option}={size}",
                f"would take {8 * size * each:,} bytes; an adapter of this base has {budget:,}",
            )


def sizes_in(config: PeftConfig) -> list[tuple[str, int]]:
    """The whole numbers of a config that may be sizes, also those of its `_pattern` options."""
    found = []
    for option, value in vars(config).items():
        inner = value.values() if option.endswith("_pattern") and value else [value]
        sized = not any(word in option for word in NO_SIZES)
        found += [(option, n) for n in inner if type(n) is int and sized]
    return found


def _hollow(value: torch.Tensor) -> torch.Tensor:
    empty = torch.empty_like(value, device="meta", requires_grad=False)
    return nn.Parameter(empty, value.requires_grad) if isinstance(value, nn.Parameter) else empty
