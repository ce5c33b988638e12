"""Weights in the layout of the published files: two safetensors files for each size.

`tadpole_s_encoder.safetensors` and `tadpole_s_decoder.safetensors` hold the parameters in float32.
Their names carry no prefix. The case of letters in a file's name does not matter.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from scionwood import WeightsError
from scionwood.authoring import atomic_path, read_weights
from scionwood_pde.model.attention import PositionBias

REPOSITORY = "thuerey-group/Tadpole"
PUBLISHED = ("S", "B", "L")
LICENCE = "Apache-2.0"
PARTS = ("encoder", "decoder")
COMPUTED = ("relative_coords_table", "relative_position_index", "relative_bias")
"""Buffers of the attention that the architecture determines; a file may omit them."""

REMEDY = "Give `weights` the folder of both files, `hub`, or `none`"
SOURCE = "Tadpole, arXiv:2605.15284"
SHIPPED = "tiny"
"""The size whose weights the package ships; the authors publish the other sizes."""


def load_coder(model: nn.Module, size: str, weights: str) -> None:
    """Load the weights of an encoder and a decoder; `none` leaves the random ones.

    Args:
        model: the model, with `encoder` and `decoder`.
        size: the name of its size.
        weights: `none`, `shipped`, `hub`, `hub:REVISION`, or a folder.

    Raises:
        WeightsError: the weights are missing, unreadable, or of another size.
    """
    kind, _, revision = weights.partition(":")
    if kind == "shipped":
        if size != SHIPPED:
            rule = f"only size {SHIPPED!r} is shipped"
            raise WeightsError(f"weights 'shipped' of size {size!r}", rule, REMEDY)
        with as_file(files("scionwood_pde") / "weights") as folder:
            load_both(model, size, folder)
    elif kind == "hub":
        load_both(model, size, download(size, revision or None))
    elif kind != "none":
        load_both(model, size, Path(weights))


def origin(weights: str) -> dict[str, str]:
    """Return the entries of the model card about the weights."""
    kind, _, revision = weights.partition(":")
    if kind == "none":
        return {"weights": "random, seeded", "licence": "none (random weights)"}
    if kind == "shipped":
        return {"weights": "shipped", "licence": f"{LICENCE}; made here"}
    if kind == "hub":
        at = f" at {revision}" if revision else ""
        return {"weights": f"hf.co/{REPOSITORY}{at}", "licence": LICENCE}
    return {"weights": f"local folder {Path(weights).name}", "licence": "not known"}


def load_both(model: nn.Module, size: str, folder: Path) -> None:
    """Load both files of a size from a folder into a model.

    Args:
        model: the model, with `encoder` and `decoder`; it is not changed if this raises.
        size: the size in the names of the files.
        folder: the folder that holds them.

    Raises:
        WeightsError: a file is missing, is not a safetensors file, or has other names, shapes or
            values.
    """
    paths = {part: find(folder, f"tadpole_{size}_{part}.safetensors") for part in PARTS}
    states = {part: _read(path, model.get_submodule(part)) for part, path in paths.items()}
    for part, state in states.items():
        model.get_submodule(part).load_state_dict(state)


def save_weights(model: nn.Module, size: str, folder: Path, *, half: bool = False) -> None:
    """Write both files in the form that the published code reads.

    Args:
        model: a model without adapters, or with adapters merged and unloaded.
        size: the size in the names of the files.
        folder: the folder, created if it is missing.
        half: store half precision, which takes half the space.

    Raises:
        OSError: the disk is full or not writable.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        module = model.get_submodule(part)
        state = {name: value.detach().clone() for name, value in module.state_dict().items()}
        for name, bias in _biases(module).items():
            state[f"{name}.relative_bias"] = bias().detach()
        if half:
            state = {n: x.half() if x.is_floating_point() else x for n, x in state.items()}
        with atomic_path(folder / f"tadpole_{size.lower()}_{part}.safetensors") as path:
            save_file({n: x.cpu().contiguous() for n, x in state.items()}, path)


def download(size: str, revision: str | None) -> Path:
    """Download both files of a size from the Hugging Face hub into its cache.

    Args:
        size: S, B or L.
        revision: a branch, tag or commit of the repository. `None` means its newest state.

    Returns:
        The folder that holds them.

    Raises:
        WeightsError: the hub cannot be reached, or lacks the files.
    """
    from huggingface_hub import hf_hub_download, list_repo_files

    if size not in PUBLISHED:
        rule = f"hf.co/{REPOSITORY} has {', '.join(PUBLISHED)}"
        raise WeightsError(f"weights 'hub' of size {size!r}", rule, REMEDY)
    names = [f"tadpole_{size}_{part}.safetensors".lower() for part in PARTS]
    try:
        files = {name.lower(): name for name in list_repo_files(REPOSITORY, revision=revision)}
        paths = [
            hf_hub_download(REPOSITORY, files.get(name, name), revision=revision) for name in names
        ]
    except Exception as error:  # from the hub or its HTTP library; the message is kept
        first = (str(error).splitlines() or [type(error).__name__])[0]
        rule = f"cannot load size {size!r} from hf.co/{REPOSITORY} ({first})"
        raise WeightsError("weights 'hub'", rule, REMEDY) from error
    return Path(paths[0]).parent


def find(folder: Path, name: str) -> Path:
    """Return the file with a name, regardless of the case of its letters.

    Raises:
        WeightsError: there is no such file, or two names differ only in case.
    """
    if not folder.is_dir():
        raise WeightsError(str(folder), "there is no such folder of weights", REMEDY)
    matches = [path for path in sorted(folder.iterdir()) if path.name.lower() == name.lower()]
    if len(matches) != 1:
        several = ", ".join(path.name for path in matches)
        rule = f"{several} differ only in case" if matches else f"it has no file {name.lower()}"
        raise WeightsError(str(folder), rule, REMEDY)
    return matches[0]


def _read(path: Path, module: nn.Module) -> dict[str, Tensor]:
    """Return the state of a module from a file; the computed buffers stay those of the module.

    Raises:
        WeightsError: see `load_both`.
    """
    tensors = module.state_dict()
    state = read_weights(
        path, tensors, optional=lambda name: name.endswith(COMPUTED), remedy=REMEDY
    )
    for name, value in state.items():
        ordered = not name.endswith(COMPUTED[:2])
        if not ordered and not torch.allclose(value.float(), tensors[name].float(), atol=1e-2):
            rule = f"{name} orders the cells of a window in another way"
            raise WeightsError(str(path), rule, "Download the file from its authors again")
    return {name: tensors[name] if name.endswith(COMPUTED) else state[name] for name in tensors}


def _biases(module: nn.Module) -> dict[str, PositionBias]:
    return {name: part for name, part in module.named_modules() if isinstance(part, PositionBias)}
