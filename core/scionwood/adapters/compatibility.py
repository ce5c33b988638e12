"""Check a saved adapter against the model that it is to be loaded into.

The wanted names and shapes of the tensors come from a copy of the model that the file cannot touch.
Whole numbers need a check of their own, since they index into weights and some methods use them
unchecked.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence

import torch
import torch.nn as nn
from peft import PeftConfig
from peft.utils import get_peft_model_state_dict

from scionwood.adapters.attaching import check_frozen_base, wrap
from scionwood.adapters.content import read_stated
from scionwood.adapters.folder import SavedAdapter
from scionwood.adapters.head import backbone, head_names, in_head
from scionwood.adapters.identity import BaseRoundingWarning, remembered_identity
from scionwood.adapters.modules import tuner_layers
from scionwood.adapters.rules import LOADING, Rules
from scionwood.adapters.targets import settle
from scionwood.adapters.untrusted import spec_faults, specs_of
from scionwood.errors import AdapterError, AdapterFileError

SPARE = 64 << 20
"""Bytes that an adapter may always allocate, however small its base is."""

NO_SIZES = ("seed", "prng", "alpha", "step", "warmup", "interval", "tinit", "tfinal", "deltaT")
"""Parts of the names of options whose whole numbers are not sizes."""

_PREFIX = "base_model.model."


def check_against(
    model: nn.Module,
    saved: SavedAdapter,
    replaceable: Sequence[str] = (),
    rules: Rules = LOADING,
    tensors: dict[str, torch.Tensor] | None = None,
) -> tuple[list[str], dict[str, torch.Tensor]]:
    """Check that a saved adapter fits a model, then read its tensors.

    Afterwards its config holds names of modules, and no pattern of the file.

    Args:
        model: The backbone, or a model with adapters; it is not changed.
        saved: The adapter's files.
        replaceable: The names, or their ends, of modules outside the head that it may replace.
        rules: How to check.
        tensors: The values, if an inspection has read them already.

    Returns:
        The names of the modules that the adapter wraps, and its values by the names in the file.

    Raises:
        AdapterError: The adapter was made for another base, changes the base, would allocate too
            much memory, or has tensors that do not fit.
    """
    config, manifest = saved.config, saved.manifest
    with rules("model: base", goes_on=True):
        check_base(model, saved)
    with rules("model: base stays frozen", goes_on=True):
        check_frozen_base(config)
    with rules("model: task type", goes_on=True):
        check_task(model, config)
    with rules("model: replaced modules", goes_on=True):
        check_replaced(model, saved, replaceable)
    with rules("model: modules"):
        listed = manifest.modules if manifest else None
        names = settle(model, config, listed=listed, foreign=True)
    with rules("model: untied tensors", goes_on=True):
        check_untied(saved, names)
    with rules("model: sizes"):  # a blueprint of too large ones could exhaust the memory
        check_rank(config, model, names)
    with rules("model: layers"):
        expected = blueprint(model, config, names)
    with rules("model: names and shapes") as faults:
        faults += spec_faults(saved.path, saved.specs, specs_of(expected))
    if tensors is None:
        tensors = read_stated(saved.path, saved.specs, manifest.tensors if manifest else "")
    with rules("model: indices"):
        check_indices(tensors, expected, model, config)
    return names, tensors


def check_task(model: nn.Module, config: PeftConfig) -> None:
    """Refuse a task of language models on another model, where every call would fail."""
    inner = backbone(model)
    if config.task_type and not hasattr(getattr(inner, "config", None), "model_type"):
        raise AdapterError(
            f"task_type={str(config.task_type)!r:.40}",
            f"{type(inner).__name__} is not a model of transformers, which this task calls",
            "Remove task_type from adapter_config.json",
        )


def check_replaced(model: nn.Module, saved: SavedAdapter, replaceable: Sequence[str]) -> None:
    """Refuse to replace modules but those of the backbone's own head and those that are named.

    What the file declares as its head does not count.
    """
    entries = tuple(getattr(saved.config, "modules_to_save", None) or ())
    base = backbone(model)
    names = [name for name, _ in base.named_modules() if name and entries]
    declared = getattr(base, "head", ())
    declared_names = () if isinstance(declared, nn.Module) else tuple(declared)
    recorded_head = saved.manifest.head if saved.manifest else []
    head = tuple(
        name for name in head_names(model) if name in declared_names or name not in recorded_head
    )
    replaced = [n for n in names if n.endswith(entries) and not in_head(n, head)]  # peft's rule
    replaced = [name for name in replaced if not name.endswith(tuple(replaceable))]
    if replaced:
        raise AdapterError(
            f"modules_to_save {', '.join(replaced[:3])[:200]}",
            f"it replaces modules of {type(base).__name__} that are not its head",
            f"If that is intended: load_adapter(..., whole={tuple(replaced[:3])!r:.200})",
        )


def check_untied(saved: SavedAdapter, names: list[str]) -> None:
    """Check that the tensors to untie lie in adapted layers or in the head."""
    places = (*names, *saved.manifest.head) if saved.manifest else ()
    for tensor in saved.manifest.untied if saved.manifest else ():
        if not any(place and tensor.startswith(f"{place}.") for place in places):
            raise AdapterError(f"untied {tensor[:200]!r}", "it is in no adapted layer or head")


def check_base(model: nn.Module, saved: SavedAdapter) -> None:
    """Check that the base of a model is the one that the adapter states.

    Warns:
        BaseRoundingWarning: The base matches up to rounding, or an earlier version stated no
            sketch by which that could be seen.
    """
    if saved.manifest is None:
        warnings.warn(
            f"{saved.folder} has no scionwood.json: whether it was made for this base is not known",
            stacklevel=4,  # the caller of load_adapter
        )
        return
    identity, recorded_base = remembered_identity(model), saved.manifest.base
    same = identity.matches(recorded_base)
    if same is False:
        raise AdapterFileError(
            str(saved.folder),
            f"made for the base {recorded_base.sha256[:64]}, this one is {identity.sha256}",
            "Build the backbone with the weights, size and dtype that it was trained with",
        )
    if identity.sha256 != recorded_base.sha256:
        reason = (
            "the values agree up to rounding, as those of one seed do on two processors"
            if same
            else "it states no sketch of its seeded base, so whether this is that base is not known"
        )
        warnings.warn(
            f"{saved.folder} was made for a base of another hash: {reason}",
            BaseRoundingWarning,
            stacklevel=4,
        )


def check_rank(config: PeftConfig, model: nn.Module, names: list[str]) -> None:
    """Bound the memory that the sizes in a config can make peft allocate.

    The bound is `SPARE` plus four times the bytes of the base.
    """
    sizes = [p.shape for n in names for p in backbone(model).get_submodule(n).parameters()]
    width = sum(sum(shape) for shape in sizes)
    widest = max((max(shape, default=1) for shape in sizes), default=1)
    budget = SPARE + 4 * sum(p.numel() * p.element_size() for p in model.parameters())
    values = vars(config).items()
    sized = {o: value for o, value in values if not any(word in o for word in NO_SIZES)}
    for option, size in ((o, n) for o, value in sized.items() for n in _numbers(value)):
        is_rank = option in ("r", "mini_r", "init_r", "hybrid_r") or "rank" in option
        values_per_unit = width if is_rank else 1
        if (is_rank and size < 0) or (size > widest and 8 * size * values_per_unit > budget):
            raise AdapterError(
                f"{option}={size}",
                f"would allocate {8 * size * values_per_unit:,} bytes; this base allows {budget:,}",
            )


def _numbers(value: object) -> list[int]:
    """List the whole numbers of an option, those of a `_pattern` option included."""
    values = value.values() if isinstance(value, Mapping) else [value]
    return [number for number in values if type(number) is int]


def blueprint(model: nn.Module, config: PeftConfig, names: list[str]) -> dict[str, torch.Tensor]:
    """Return the tensors that a saved adapter of this config has for this model.

    They come from a copy of the model on the meta device, where a tensor of any size needs no
    memory. A few methods read values while they are built. For those the copy is real, and
    `check_rank` has bounded what they allocate.
    """
    config = copy.deepcopy(config)
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")  # the same warnings follow when the adapter is built
        try:
            with torch.device("meta"):
                tuned = wrap(skeleton(model, meta=True), copy.deepcopy(config), "default", names)
                return dict(get_peft_model_state_dict(tuned, save_embedding_layers=False))
        except NotImplementedError:  # values were read while the tensors got their names
            pass
        except AdapterError as error:
            if not isinstance(error.__cause__, RuntimeError):  # covers NotImplementedError too
                raise
        tuned = wrap(skeleton(model, meta=False), config, "default", names)
        return dict(get_peft_model_state_dict(tuned, save_embedding_layers=False))


def skeleton(model: nn.Module, *, meta: bool) -> nn.Module:
    """Copy the backbone without its adapters, or refuse one that cannot be copied."""
    memo: dict[int, object] = {}
    for module in model.modules() if meta else ():
        values = [*module._parameters.values(), *module._buffers.values(), *vars(module).values()]
        for value in values:
            if isinstance(value, torch.Tensor):
                memo[id(value)] = _hollow(value)
    try:
        copied = copy.deepcopy(model, memo)
    except (TypeError, RuntimeError) as error:
        kind = type(backbone(model)).__name__
        raise AdapterError(kind, f"cannot be copied ({error})", "Make it deep-copyable") from error
    if not tuner_layers(copied):
        return backbone(copied)
    bare: nn.Module = copied.base_model.unload()  # type: ignore[operator, union-attr]
    return bare


def _hollow(value: torch.Tensor) -> torch.Tensor:
    empty = torch.empty_like(value, device="meta", requires_grad=False)
    if not isinstance(value, nn.Parameter):
        return empty
    parameter = nn.Parameter(empty, value.requires_grad)
    vars(parameter).update(vars(value))  # a weight in four bits says how it was quantised
    return parameter


def check_indices(
    tensors: Mapping[str, torch.Tensor],
    expected_tensors: Mapping[str, torch.Tensor],
    model: nn.Module,
    config: PeftConfig,
) -> None:
    """Check that each whole number in `tensors` is a valid index."""
    for key, value in tensors.items():
        if value.is_floating_point() or value.numel() == 0:
            continue
        limit = _limit(key, expected_tensors, model, config)
        if bool((value.long() < 0).any()) or bool((value.long() >= limit).any()):
            raise AdapterError(key, f"has an index that is not in [0, {limit.tolist()})")


def _limit(
    key: str, expected_tensors: Mapping[str, torch.Tensor], model: nn.Module, config: PeftConfig
) -> torch.Tensor:
    """Return the exclusive upper bound, in a shape that broadcasts over the tensor."""
    if key.endswith("num_batches_tracked"):  # of a norm in modules_to_save
        return torch.tensor(1 << 62)
    if "unilora_indices" in key:
        return torch.tensor(config.theta_d_length)
    if key.endswith("_topk_indices"):
        return torch.tensor(config.num_vectors)
    if "frod_s_" in key:
        size = expected_tensors[key.replace("frod_s_indices", "frod_s_size")].reshape(-1, 1)
        return size if "indices" in key else size.reshape(-1) + 1
    shape = _weight_shape(key, model)
    if key.endswith("shira_indices"):
        return torch.tensor(shape[:2]).reshape(2, 1)
    return torch.tensor(shape.numel())


def _weight_shape(key: str, model: nn.Module) -> torch.Size:
    """Return the shape of the weight that a tensor belongs to, or the largest shape of the model.

    The largest shape is the fallback if the module has no weight.
    """
    module, parts = backbone(model), key.removeprefix(_PREFIX).split(".")
    while parts and isinstance(child := module._modules.get(parts[0]), nn.Module):
        module, parts = child, parts[1:]
    weight = getattr(module, "weight", None)
    if isinstance(weight, torch.Tensor):
        return weight.shape
    return max((p.shape for p in model.parameters()), key=torch.Size.numel)
