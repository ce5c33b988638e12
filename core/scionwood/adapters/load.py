"""Load an adapter that a stranger may have made.

`load_adapter` takes three steps and never goes back to an earlier one:

1. Check. `folder` reads the files and checks them by themselves. `compatibility` checks them
   against the model and reads the values. The model is not changed.
2. Build. `attaching` wraps the layers of the model, and restores the model if a step fails.
3. Load. This module fills the checked values in, and sets what trains.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.nn as nn
from peft import PeftModel
from peft.utils import set_peft_model_state_dict

from scionwood.adapters.attaching import wrap
from scionwood.adapters.compatibility import check_against
from scionwood.adapters.folder import read_folder
from scionwood.adapters.head import backbone, keep_statistics, train_head
from scionwood.adapters.identity import ATTRIBUTE, remember_buffers, remembered_identity
from scionwood.adapters.layers.attention import is_dead
from scionwood.adapters.modules import declared_head
from scionwood.adapters.sharing import untie
from scionwood.errors import AdapterError, AdapterFileError


def load_adapter(
    model: nn.Module,
    folder: str | Path,
    *,
    trainable: bool = False,
    name: str = "default",
    whole: Sequence[str] = (),
) -> PeftModel:
    """Load a saved adapter into the base that it was made for.

    With `scionwood.json`, the adapter goes to the modules that this file lists, and no pattern of
    the config runs. The head that the file names becomes the head of the model; `load_head` loads
    its values. A layer that was untied when the adapter was attached is untied again. A folder of
    plain peft has no such file. It is loaded too, with a warning, since nothing tells whether the
    base is the right one. Its own pattern then selects the modules, after a check that the pattern
    cannot run for long.

    Args:
        model: The bare backbone, or a model with adapters that gets another one. It is changed in
            place.
        folder: A folder written by `save_adapter` or by peft.
        trainable: Whether adapter and head continue to train. If false, all parameters are frozen
            and the model is in eval mode.
        name: The name of the adapter in the model.
        whole: The names, or their ends, of modules outside the head that the adapter may replace by
            copies of its own, as the option `modules_to_save` of peft does. Others are refused.

    Returns:
        The model inside a `PeftModel`.

    Warns:
        UserWarning: It is a folder of plain peft, or some of its layers are never called.

    Raises:
        AdapterFileError: The folder is damaged, hostile, or made for another base. The model is
            left as it was.

    Example:
        >>> from peft import LoraConfig
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Linear(16, 1))
        >>> tuned = scionwood.attach(model, LoraConfig(r=2), targets="0", head=("1",))
        >>> scionwood.save_adapter(tuned, "adapter")
        >>> scionwood.save_head(tuned, "head.safetensors")
        >>> again = scionwood.load_adapter(tuned.unload(), "adapter")
        >>> again.peft_config["default"].r
        2
    """
    folder = Path(folder)
    with _name_folder(folder):
        saved = read_folder(folder)
        manifest, config = saved.manifest, saved.config
        # The stated base stays stated if the adapter trains on, at another site or after a move.
        base = manifest.base if manifest else remembered_identity(model)
        head = manifest.head if manifest else []
        # `unfreeze` declares a whole model as the head, by an empty name.
        with declared_head(model, [name for name in head if name]):
            names, tensors = check_against(model, saved, whole)
            _warn_of_dead(model, names)
            with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
                # The rank pattern of AdaLoRA names tensors and not modules, which is correct.
                warnings.filterwarnings("ignore", "The following rank_pattern keys did not match")
                tuned = wrap(model, config, name, names)
                _fill(tuned, tensors, name)
                untie(tuned, manifest.untied if manifest else [])
    object.__setattr__(tuned, ATTRIBUTE, base)
    _set_training(tuned, name, trainable)
    keep_statistics(tuned)
    if not isinstance(model, PeftModel):
        remember_buffers(tuned)
    return tuned


@contextmanager
def _name_folder(folder: Path) -> Iterator[None]:
    """Turn each error about the adapter into one that names the folder."""
    try:
        yield
    except AdapterFileError:
        raise
    except AdapterError as error:
        raise AdapterFileError(f"{folder}: {error.value}", error.rule, error.remedy) from error


def _warn_of_dead(model: nn.Module, names: Sequence[str]) -> None:
    """Warn if some of the adapted layers are never called, here or where they were trained."""
    if dead := [name for name in names if is_dead(backbone(model), name)]:
        warnings.warn(
            f"the adapter has no effect on {', '.join(dead[:3])} ({len(dead)} of {len(names)} "
            "layers): nn.MultiheadAttention reads this weight and never calls the layer",
            stacklevel=3,  # the caller of load_adapter
        )


def _fill(model: PeftModel, tensors: Mapping[str, torch.Tensor], name: str) -> None:
    result = set_peft_model_state_dict(model, dict(tensors), adapter_name=name)
    is_prompt = model.peft_config[name].is_prompt_learning  # peft reports its keys as unexpected
    if result.unexpected_keys and not is_prompt:
        raise AdapterError(
            f"tensors {', '.join(result.unexpected_keys[:3])}", "peft has no place for them"
        )


def _set_training(model: PeftModel, name: str, trainable: bool) -> None:
    model.peft_config[name].inference_mode = not trainable
    if not trainable:
        model.requires_grad_(False)
        model.eval()
        return
    if model.peft_config[name].is_prompt_learning:
        model.prompt_encoder[name].requires_grad_(True)
    else:
        model.set_adapter(name)
    train_head(model)
