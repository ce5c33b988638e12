"""Load language models and tokenizers of transformers by name. `tiny` is part of the package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch

from scionwood import WeightsError, empty_weights, load_weights
from scionwood import quantize as to_four_bits

TINY = "tiny"
FOLDER = Path(__file__).parents[1] / "weights" / TINY
"""The folder of the tiny model: config, weights in half precision, tokenizer, chat template."""

REMEDY = "Name `tiny`, a folder with config.json and model.safetensors, or owner/name on the hub"
"""The remedy if a model cannot be loaded."""

Quantize = Literal["none", "nf4"]
DTypes = Literal["float32", "bfloat16", "float16"]


def load_tokenizer(model: str = TINY, *, revision: str | None = None) -> Any:
    """Load the tokenizer of a model.

    Args:
        model: `tiny`, a local folder, or owner/name on the hub.
        revision: a branch, tag or commit of a repository on the hub.

    Raises:
        WeightsError: the tokenizer cannot be loaded.
    """
    from transformers import AutoTokenizer

    place, options = _place(model, revision)
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(place, trust_remote_code=False, **options)
    except (OSError, ValueError) as error:
        raise _refused(f"tokenizer {_shown(model)!r}", error) from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(
    model: str = TINY,
    *,
    revision: str | None = None,
    quantize: Quantize = "none",
    dtype: DTypes = "float32",
) -> Any:
    """Load a causal language model in evaluation mode. The generator of torch is not changed.

    In a run that shards the model it is built without values, see `scionwood.empty_weights`.

    Args:
        model: `tiny`, a local folder, or owner/name on the hub. Only safetensors weights are
            loaded.
        revision: a branch, tag or commit of a repository on the hub.
        quantize: nf4 loads linear layers in four bits.
        dtype: the type of the weights that are not quantised.

    Raises:
        WeightsError: the model cannot be loaded.
        PluginError: nf4 needs bitsandbytes, which is missing; see `scionwood.quantize`.
    """
    from transformers import AutoModelForCausalLM

    place, options = _place(model, revision)
    kind = getattr(torch, dtype)
    try:
        with torch.random.fork_rng(devices=[]), _quiet(model == TINY):
            if quantize == "none" and (empty := _empty(place, kind, options)) is not None:
                return empty.eval()
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                place, dtype=kind, use_safetensors=True, trust_remote_code=False, **options
            )
            loaded.eval()
    except (OSError, ValueError) as error:
        raise _refused(f"language model {_shown(model)!r}", error) from error
    return to_four_bits(loaded) if quantize == "nf4" else loaded


def _empty(place: str, dtype: torch.dtype, options: dict[str, Any]) -> Any:
    """Build a model without values, or return `None` if the run does not shard it."""
    from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig
    from transformers.utils.hub import cached_file, get_checkpoint_shard_files

    with empty_weights() as empty:
        if not empty:
            return None
        config = AutoConfig.from_pretrained(place, trust_remote_code=False, **options)
        model: Any = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
            config, dtype=dtype, trust_remote_code=False
        )
    model.tie_weights()

    def find(name: str) -> str | None:
        found: str | None = cached_file(
            place, name, _raise_exceptions_for_missing_entries=False, **options
        )
        return found

    weights = find("model.safetensors")
    if weights is None and (weights := find("model.safetensors.index.json")) is not None:
        get_checkpoint_shard_files(  # type: ignore[no-untyped-call]  # fetches them from the hub
            place, weights, **options
        )
    if weights is None:
        raise OSError("it has neither model.safetensors nor model.safetensors.index.json")
    load_weights(model, weights, remedy=REMEDY)
    if find("generation_config.json"):
        model.generation_config = GenerationConfig.from_pretrained(place, **options)
    return model


@contextmanager
def _quiet(quiet: bool) -> Iterator[None]:
    # Loading the tiny model takes a hundredth of a second, so a progress bar is only noise.
    from transformers.utils import logging

    if not quiet or not logging.is_progress_bar_enabled():
        yield
        return
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # of transformers
    try:
        yield
    finally:
        logging.enable_progress_bar()  # type: ignore[no-untyped-call]  # of transformers


def _place(model: str, revision: str | None) -> tuple[str, dict[str, Any]]:
    # The arguments for transformers. A folder has no revision and needs no network.
    if model == TINY:
        return str(FOLDER), {"local_files_only": True}
    if Path(model).is_dir():
        return model, {"local_files_only": True}
    return model, {"revision": revision or "main"}


def _shown(model: str) -> str:
    return Path(model).name if Path(model).is_dir() else model


def _refused(what: str, error: Exception) -> WeightsError:
    first = (str(error).splitlines() or [type(error).__name__])[0]
    return WeightsError(what, f"transformers cannot load it ({first})", REMEDY)
