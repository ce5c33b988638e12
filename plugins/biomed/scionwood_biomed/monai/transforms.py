"""Random transforms of MONAI by name, for the training split of a recipe."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from scionwood import RecipeError

SPATIAL = "monai.transforms.spatial.dictionary"
"""Transforms of this module move the image and its mask together."""
INTENSITY = "monai.transforms.intensity.dictionary"
"""Transforms of this module change the image only."""
Steps = Sequence[Mapping[str, Mapping[str, Any]]]
"""`[{"RandFlipd": {"prob": 0.5, "spatial_axis": 1}}, ...]`, as a recipe writes them."""


@final
class Augmentation:
    """Random transforms of MONAI, in their order; each draw follows torch's random state.

    A transform is one of MONAI's dictionary transforms whose name begins with `Rand` and which
    works on space or intensity. Masks are moved by the nearest neighbour. Axis 0 of a picture is
    its rows; of a volume its slices.

    Args:
        steps: one mapping for each transform: its name, and its options without `keys`.

    Raises:
        RecipeError: MONAI is not installed, a name is no such transform, or it refuses an option.

    Example:
        >>> flip = Augmentation([{"RandFlipd": {"prob": 1.0, "spatial_axis": 1}}])
        >>> flip({"image": torch.tensor([[[1.0, 2.0]]])})["image"]
        tensor([[[2., 1.]]])
    """

    def __init__(self, steps: Steps) -> None:
        self.steps = [_built(*_one(step)) for step in steps]

    def __call__(self, arrays: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the transformed arrays, of equal shapes and types.

        Args:
            arrays: `image`, (3, row, column) or (slice, 3, row, column) float32 from 0 to 1, and
                optionally `mask`, (row, column) int64.

        Raises:
            RecipeError: a transform changes the shape.
        """
        channels_first = {name: _channel_first(name, value) for name, value in arrays.items()}
        for step in self.steps:
            step.set_random_state(seed=int(torch.randint(2**31, ())))
            channels_first = dict(step(channels_first))
        back = {name: _back(channels_first[name], value) for name, value in arrays.items()}
        for name, value in arrays.items():
            if back[name].shape != value.shape:
                rule = f"it makes {tuple(back[name].shape)} of {tuple(value.shape)}"
                remedy = "Use options that keep the size"
                raise RecipeError("data.transforms", rule, remedy)
        return back


def _one(step: Mapping[str, Mapping[str, Any]]) -> tuple[str, Mapping[str, Any]]:
    if len(step) != 1:
        rule = "each entry is one name with its options"
        remedy = "Write for example {RandFlipd: {prob: 0.5, spatial_axis: 1}}"
        raise RecipeError(f"data.transforms {dict(step)}", rule, remedy)
    ((name, options),) = step.items()
    return name, options or {}


def _built(name: str, options: Mapping[str, Any]) -> Any:
    """Return the transform of MONAI.

    Raises:
        RecipeError: it is not one of those that a recipe may name, or refuses an option.
    """
    value = f"data.transforms {name}"
    try:
        from monai import transforms
    except ImportError as error:
        remedy = "pip install monai highdicom"
        raise RecipeError(value, "MONAI is not installed", remedy) from error
    kind = getattr(transforms, name, None)
    if not (name.startswith("Rand") and getattr(kind, "__module__", "") in (SPATIAL, INTENSITY)):
        rule = "it is no random dictionary transform of space or intensity of MONAI"
        raise RecipeError(value, rule, "Use for example RandFlipd or RandGaussianNoised")
    assert isinstance(kind, type)
    options = dict(options)
    parameters = inspect.signature(kind).parameters
    if unknown := sorted({*options} - {*parameters} | {*options} & {"keys", "device"}):
        option_names = ", ".join(
            option for option in parameters if option not in ("keys", "device")
        )
        raise RecipeError(
            f"{value}, option {unknown[0]}", f"it has {option_names}", "Correct the option"
        )
    if kind.__module__ == SPATIAL:
        if "mode" in parameters:
            options["mode"] = [options.get("mode", "bilinear"), "nearest"]
        options |= {"keys": ["image", "mask"], "allow_missing_keys": True}
    else:
        options["keys"] = ["image"]
    try:
        return kind(**options)
    except (TypeError, ValueError) as error:
        rule = f"MONAI refuses its options ({str(error).splitlines()[0][:200]})"
        raise RecipeError(value, rule, "See its documentation in MONAI") from error


def _channel_first(name: str, value: Tensor) -> Tensor:
    if name == "mask":
        return value[None]
    return value.transpose(0, 1) if value.ndim == 4 else value


def _back(changed: Any, before: Tensor) -> Tensor:
    plain = torch.from_numpy(np.ascontiguousarray(np.asarray(changed)))
    if before.dtype == torch.int64:
        return plain[0].round().long()
    if before.ndim == 4:
        plain = plain.transpose(0, 1)
    return plain.to(before.dtype).clamp(0, 1).contiguous()
