"""Weights in the layout of the published files: two safetensors files for each size.

`tadpole_s_encoder.safetensors` and `tadpole_s_decoder.safetensors` hold bare names in float32. The
letters of a file's name may be of either case.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from scionwood import WeightsError, atomic_path
from scionwood_pde.model.attention import PositionBias
from scionwood_pde.model.coder import Coder

REPOSITORY = "thuerey-group/Tadpole"
PUBLISHED = ("S", "B", "L")
LICENCE = "Apache-2.0"
PARTS = ("encoder", "decoder")
SHOWN = 3
"""Names in an error; a wrong file may lack two hundred."""

COMPUTED = ("relative_coords_table", "relative_position_index", "relative_bias")
"""Buffers of the attention that follow from the architecture; a file may leave them out."""

REMEDY = "Give `weights` the folder of both files, `hub`, or `none`"


def load_weights(model: Coder, size: str, folder: Path) -> None:
    """Load both files of a size from a folder into a model.

    Args:
        model: changed in place; left as it was where this raises.
        size: in the files' names.
        folder: that holds them.

    Raises:
        WeightsError: a file is missing, no safetensors, or has other names, shapes or values.
    """
    paths = {part: find(folder, f"tadpole_{size}_{part}.safetensors") for part in PARTS}
    states = {part: _read(path, model.get_submodule(part)) for part, path in paths.items()}
    for part, state in states.items():
        model.get_submodule(part).load_state_dict(state)


def save_weights(model: Coder, size: str, folder: Path, *, half: bool = False) -> None:
    """Write both files, as the published code reads them.

    Args:
        model: without adapters, or after they were merged and unloaded.
        size: in the files' names.
        folder: made where it is missing.
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
    """Both files of a size from the Hugging Face hub, in its cache.

    Args:
        size: S, B or L.
        revision: a branch, tag or commit of the repository; its newest state where None.

    Returns:
        The folder that holds them.

    Raises:
        WeightsError: the hub cannot be reached, or does not have them.
    """
    from huggingface_hub import hf_hub_download, list_repo_files

    if size not in PUBLISHED:
        rule = f"hf.co/{REPOSITORY} has {', '.join(PUBLISHED)}"
        raise WeightsError(f"weights 'hub' of size {size!r}", rule, REMEDY)
    wanted = [f"tadpole_{size}_{part}.safetensors".lower() for part in PARTS]
    try:
        known = {name.lower(): name for name in list_repo_files(REPOSITORY, revision=revision)}
        paths = [
            hf_hub_download(REPOSITORY, known.get(name, name), revision=revision) for name in wanted
        ]
    except Exception as error:  # of the hub, of its HTTP library; what it says is kept
        first = (str(error).splitlines() or [type(error).__name__])[0]
        rule = f"cannot load size {size!r} from hf.co/{REPOSITORY} ({first})"
        raise WeightsError("weights 'hub'", rule, REMEDY) from error
    return Path(paths[0]).parent


def find(folder: Path, name: str) -> Path:
    """The file of a name whose letters may be of either case.

    Raises:
        WeightsError: there is none, or two differ in case alone.
    """
    if not folder.is_dir():
        raise WeightsError(str(folder), "there is no such folder of weights", REMEDY)
    found = [path for path in sorted(folder.iterdir()) if path.name.lower() == name.lower()]
    if len(found) != 1:
        several = ", ".join(path.name for path in found)
        rule = f"{several} differ in case alone" if found else f"it holds no {name.lower()}"
        raise WeightsError(str(folder), rule, REMEDY)
    return found[0]


def _read(path: Path, module: nn.Module) -> dict[str, Tensor]:
    """The state of a module from a file, checked before its tensors are read."""
    own = module.state_dict()
    try:
        with safe_open(path, framework="pt") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            _check_names(path, shapes, own)
            found = {name: file.get_tensor(name) for name in shapes}
    except WeightsError:  # an OSError too
        raise
    except (SafetensorError, OSError) as error:
        rule = f"it is not a readable safetensors file ({error})"
        raise WeightsError(str(path), rule, "Download it again") from error
    _check_values(path, found, own)
    # The buffers that follow from the architecture are ours.
    return {name: own[name] if name.endswith(COMPUTED) else found[name] for name in own}


def _check_names(
    path: Path, shapes: Mapping[str, tuple[int, ...]], own: Mapping[str, Tensor]
) -> None:
    missing = [name for name in own if name not in shapes and not name.endswith(COMPUTED)]
    unexpected = [name for name in shapes if name not in own]
    wrong = [
        f"{name} {shape} for {tuple(own[name].shape)}"
        for name, shape in shapes.items()
        if name in own and shape != tuple(own[name].shape)
    ]
    for what, names in (("lacks", missing), ("also has", unexpected), ("has shapes", wrong)):
        if names:
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            rule = f"is of another model or size: it {what} {', '.join(names[:SHOWN])}{more}"
            raise WeightsError(str(path), rule, "Give the size that the file is of")


def _check_values(path: Path, found: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    for name, value in found.items():
        if name.endswith(COMPUTED[:2]):
            close = torch.allclose(value.float(), own[name].float(), atol=1e-2)
            rule = f"{name} orders the cells of a window in another way"
        else:
            close = value.is_floating_point() and bool(value.isfinite().all())
            rule = f"{name} holds integers, NaN or infinity"
        if not close:
            raise WeightsError(str(path), rule, "Take the file from its authors again")


def _biases(module: nn.Module) -> dict[str, PositionBias]:
    return {name: each for name, each in module.named_modules() if isinstance(each, PositionBias)}
