"""Bases that no process holds whole: built without values, sharded, then read part by part."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, final

import torch
import torch.distributed as dist
from lightning.pytorch import seed_everything
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor
from torch.overrides import TorchFunctionMode

from scionwood import RecipeError, ScionwoodError, TrainingError
from scionwood.authoring import Place, Recipe, adapter_parameters, deferring, noted

_META = torch.device("meta")
_CPU = torch.device("cpu")


@contextmanager
def adapters_on_cpu() -> Iterator[None]:
    """Leave new tensors on the CPU in this block, although their base is on the meta device.

    peft creates an adapter on the CPU and moves it to the device of its base. On the meta device it
    would lose its values.
    """
    with _NotToMeta():
        yield


def without_values(model: nn.Module) -> list[str]:
    """Return the names of the adapter's parameters that have no values.

    Args:
        model: a model with adapters. A method that computes its start from the base's weights, such
            as DoRA, has such parameters if the base has no values.
    """
    return [name for name, value in adapter_parameters(model).items() if value.is_meta]


@final
class _NotToMeta(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        options = {key: _real(value) for key, value in (kwargs or {}).items()}
        return func(*map(_real, args), **options)


def _real(value: Any) -> Any:
    return _CPU if isinstance(value, torch.device) and value == _META else value


Prepare = Callable[[nn.Module, Recipe], nn.Module]


def empty_backbone(recipe: Recipe, prepare: Prepare) -> nn.Module | None:
    """Build the backbone of a recipe without values for its weights, and attach the adapter.

    The adapter has the initial values that it has on a base with values, bit for bit. The caller
    has seeded the generators; they are as they were if the result is `None`.

    Returns:
        The backbone; `None` if it can only be built with values. A line on stderr gives the reason.

    Raises:
        RecipeError: its weights have four bits.
    """
    if recipe.backbone.options.get("quantize", "none") != "none":
        rule = "the strategy scale/model_parallel cannot spread four-bit weights over processes"
        raise RecipeError("backbone.quantize", rule, "Use trainer.strategy: ddp")
    try:
        with deferring():
            backbone: nn.Module = recipe.backbone.build()
        with adapters_on_cpu():
            backbone = prepare(backbone, recipe)
        reason = _obstacle(backbone, recipe)
    except ScionwoodError as error:  # building with values raises it again, if it is the user's
        reason = str(error)
    if not reason:
        size = sum(p.numel() * p.element_size() for p in backbone.parameters() if p.is_meta)
        _say(f"each process reads its own part of {size / 2**20:,.1f} MiB")
        return backbone
    _say(f"each process holds the whole base until it is sharded: {reason}")
    seed_everything(recipe.seed, workers=True, verbose=False)
    return None


def _obstacle(backbone: nn.Module, recipe: Recipe) -> str:
    if not any(parameter.is_meta for parameter in backbone.parameters()):
        return f"{recipe.backbone.name} does not use scionwood.authoring.empty_weights"
    if names := without_values(backbone):
        return f"{recipe.adapter.name} computes {names[0]} from the weights of the base"
    for parameter in backbone.parameters():
        if parameter.is_meta:
            noted(parameter)  # raises
    return ""


@final
class Unread(NamedTuple):
    """A parameter without values, before it is sharded.

    Attributes:
        owners: the modules that have it, each with its name there.
        place: where it lies.
    """

    owners: tuple[tuple[nn.Module, str], ...]
    place: Place


def unread(model: nn.Module) -> list[Unread]:
    """Return the parameters of a model that have no values, each once."""
    owners: dict[Tensor, list[tuple[nn.Module, str]]] = {}
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
            if parameter.is_meta:
                owners.setdefault(parameter, []).append((module, name))
    return [Unread(tuple(pairs), noted(parameter)) for parameter, pairs in owners.items()]


@torch.no_grad()
def read_shards(parameters: list[Unread], mesh: DeviceMesh) -> None:
    """Give parameters their values after `fully_shard`; each process reads its own rows.

    Raises:
        TrainingError: a value is not finite. Every process raises it, so that none waits.
    """
    wrong = ""
    for parameter in parameters:
        module, name = parameter.owners[0]
        sharded: Any = getattr(module, name)
        local = _rows(parameter.place, sharded, mesh)
        if not local.isfinite().all():
            wrong = wrong or f"{parameter.place.key} in {parameter.place.path}"
        value = DTensor.from_local(
            local,
            mesh,
            sharded.placements,
            run_check=False,
            shape=sharded.shape,
            stride=sharded.stride(),
        )
        filled = nn.Parameter(value, requires_grad=sharded.requires_grad)
        for module, name in parameter.owners:
            setattr(module, name, filled)
    _check_finite(wrong, mesh)


def _rows(place: Place, sharded: Any, mesh: DeviceMesh) -> Tensor:
    """Read this process's rows: as `torch.chunk` splits, the last ones may have fewer or none."""
    rows, step = sharded.shape[0], -(-sharded.shape[0] // mesh.size())
    start = min(mesh.get_local_rank() * step, rows)
    stop = min(start + step, rows)
    local = torch.empty(
        (stop - start, *sharded.shape[1:]), dtype=sharded.dtype, device=_device(mesh)
    )
    if stop > start:
        local.copy_(place.rows(start, stop))
    return local


def _device(mesh: DeviceMesh) -> torch.device:
    if mesh.device_type == "cpu":
        return torch.device("cpu")
    return torch.device(mesh.device_type, torch.accelerator.current_device_index())


def _check_finite(wrong: str, mesh: DeviceMesh) -> None:
    flag = torch.tensor(float(bool(wrong)), device=_device(mesh))
    dist.all_reduce(flag, group=mesh.get_group())
    if flag:
        value = wrong or "the part of the base that another process reads"
        raise TrainingError(value, "it holds NaN or infinity", "Fetch the file again")


@rank_zero_only
def _say(line: str) -> None:
    print(f"base: {line}", file=sys.stderr)
