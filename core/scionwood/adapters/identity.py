"""The identity of base weights, so that an adapter is never loaded on another base.

Weights that are drawn from a seed have other last bits on another processor: the generator's whole
numbers are the same, but logarithms, the inverse error function and fused multiplications are not.
So an identity holds a hash, which is exact, and a sketch, which is compared with a tolerance.
Digests of its buffers tell whether training has changed the base.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn as nn
from peft import PeftModel
from peft.utils.save_and_load import get_base_model_state_dict

from scionwood.adapters.content import tensors_hash
from scionwood.adapters.head import backbone, base_modules, head_names, in_head
from scionwood.adapters.modules import gathered
from scionwood.adapters.stored import chunks

ATTRIBUTE = "_scionwood_base"
"""The attribute in which a model with adapters stores the identity of its base before wrapping."""

TOLERANCE = 1e-5
"""The difference of two sketches, relative to the norm of the base, that counts as rounding.

Single precision on different processors differs by 1e-7. Rounding a base to bfloat16 differs by
1e-3, and another seed by 1.
"""

SEEDED_PREFIX = "random"
"""How the entry `weights` of a base that is drawn from a seed begins."""

_SUMS, _BINS, _PART = 8, 1024, 1 << 22
_DIGESTS = "_scionwood_buffers"


class BaseRoundingWarning(UserWarning):
    """An adapter's base has other last bits here, as seeded weights have on another processor.

    Example:
        >>> issubclass(scionwood.adapters.BaseRoundingWarning, UserWarning)
        True
    """


@dataclass(frozen=True)
class BaseIdentity:
    """What identifies the weights of a base.

    Attributes:
        sha256: over names, dtypes, shapes and bytes of the base's saved tensors.
        layout: SHA-256 over names, dtypes and shapes, and the bytes of tensors of whole numbers;
            empty if an earlier version stated the identity.
        sketch: eight sums of all floating-point values with fixed signs, then their norm; empty if
            unknown or not finite.
        drawn: whether the weights were drawn from a seed, as the backbone says.

    Example:
        >>> from scionwood.adapters import base_identity
        >>> model = torch.nn.Linear(8, 1)
        >>> before = base_identity(model)
        >>> model.weight.data *= 1 + 1e-7  # as another processor may round
        >>> base_identity(model).matches(before)
        True
        >>> model.weight.data *= 1.01
        >>> base_identity(model).matches(before)
        False
    """

    sha256: str
    layout: str = ""
    sketch: tuple[float, ...] = ()
    drawn: bool = False

    def record(self) -> dict[str, Any]:
        """Return layout and sketch as JSON takes them; empty without a sketch."""
        return {"layout": self.layout, "sketch": list(self.sketch)} if self.sketch else {}

    def matches(self, other: BaseIdentity) -> bool | None:
        """Return whether this base is the stated one, up to rounding.

        Returns:
            True if hash or sketch agree; False if they do not; None if the hashes differ and
            an earlier version stated no sketch of weights that were drawn from a seed.
        """
        if self.sha256 == other.sha256:
            return True
        if not other.sketch:
            return None if other.drawn else False
        if self.layout != other.layout or len(self.sketch) != len(other.sketch):
            return False
        pairs = zip(self.sketch, other.sketch, strict=True)
        return max(abs(a - b) for a, b in pairs) <= TOLERANCE * abs(self.sketch[-1])


def stated_identity(record: Mapping[str, Any]) -> BaseIdentity | None:
    """Read the identity of a base from the content of `scionwood.json`; None if it has none.

    A sketch of another form counts as absent, so that only the hash decides.

    Example:
        >>> from scionwood.adapters import stated_identity
        >>> stated_identity({"base": {"sha256": "ab", "weights": "random, seeded"}}).drawn
        True
    """
    base, near = record.get("base"), record.get("base_sketch")
    if not isinstance(base, dict) or not isinstance(base.get("sha256"), str):
        return None
    from_seed = str(base.get("weights", "")).startswith(SEEDED_PREFIX)
    match near:
        case {"layout": str(layout), "sketch": list(sums)} if len(sums) == _SUMS + 1 and all(
            isinstance(x, int | float) and math.isfinite(x) for x in sums
        ):
            return BaseIdentity(base["sha256"], layout, tuple(map(float, sums)), from_seed)
    return BaseIdentity(base["sha256"], drawn=from_seed)


def remembered_identity(model: nn.Module) -> BaseIdentity:
    """Return the identity stored when the first adapter was attached, or compute it now.

    Example:
        >>> from peft import LoraConfig
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Linear(16, 1))
        >>> tuned = scionwood.attach(model, LoraConfig(r=2), targets="0", head=())
        >>> from scionwood.adapters import base_identity, remembered_identity
        >>> remembered_identity(tuned) == base_identity(tuned)
        True
    """
    remembered: BaseIdentity | None = getattr(model, ATTRIBUTE, None)
    return remembered or base_identity(model)


def base_hash(model: nn.Module) -> str:
    """Return the SHA-256 over names, dtypes, shapes and bytes of the base's saved tensors.

    These are its parameters and persistent buffers. Adapters and the head are left out, so that
    attaching and training do not change the hash. The same weights in another dtype give another
    hash. Of a base without values, see `empty_weights`, the bytes are read from its files.

    Returns:
        64 hexadecimal digits.

    Example:
        >>> from scionwood.adapters import base_hash
        >>> model = torch.nn.Linear(8, 1)
        >>> before = base_hash(model)
        >>> model.weight.data[0, 0] += 1
        >>> base_hash(model) == before
        False
    """
    return base_identity(model).sha256


def base_identity(model: nn.Module) -> BaseIdentity:
    """Compute hash and sketch of the tensors that `base_hash` describes.

    Example:
        >>> from scionwood.adapters import base_identity
        >>> len(base_identity(torch.nn.Linear(8, 1)).sketch)
        9
    """
    head, state = head_names(model), _base_state(model)
    parameters = dict(model.named_parameters(remove_duplicate=False))
    total, layout = hashlib.sha256(), hashlib.sha256()
    sums, squares = np.zeros(_SUMS), 0.0
    for name in sorted(state):
        value = state[name]
        if in_head(name, head) or not isinstance(value, torch.Tensor):
            continue
        line = f"{name} {value.dtype} {tuple(value.shape)}\n".encode()
        total.update(line)
        layout.update(line)
        bins = torch.zeros(_BINS, dtype=torch.float64)
        start = 0
        for part in chunks(parameters[name]) if value.is_meta else (value,):
            flat = part.detach().cpu().contiguous().reshape(-1)
            data = flat.view(torch.uint8).numpy().data
            total.update(data)
            if not flat.is_floating_point():
                layout.update(data)
                continue
            for folded, square in _folded(flat, start):
                bins += folded
                squares += square
            start += len(flat)
        sums += _signs(name) @ bins.numpy()
    sketch = (*sums.tolist(), math.sqrt(squares)) if math.isfinite(squares) else ()
    return BaseIdentity(total.hexdigest(), layout.hexdigest(), sketch)


def _folded(flat: torch.Tensor, start: int) -> Iterator[tuple[torch.Tensor, float]]:
    """Yield sums over all values whose places in the tensor differ by a multiple of `_BINS`."""
    for place in range(0, len(flat), _PART):
        part = flat[place : place + _PART].double()
        front = (start + place) % _BINS
        padded = nn.functional.pad(part, (front, -(front + len(part)) % _BINS))
        yield padded.view(-1, _BINS).sum(0), float(part.square().sum())


def _signs(name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return signs of shape (sums, bins) that depend on a tensor's name alone."""
    raw = hashlib.shake_256(name.encode()).digest(_SUMS * _BINS // 8)
    bits = np.unpackbits(np.frombuffer(raw, np.uint8)).reshape(_SUMS, _BINS)
    return np.where(bits == 1, -1.0, 1.0)


def _base_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return the tensors of the base by the names that they have without adapters."""
    if not isinstance(model, PeftModel):
        return model.state_dict()
    if model.active_peft_config.is_adaption_prompt:  # of whose wrappers peft misses the names
        with model.disable_adapter():
            return dict(backbone(model).state_dict())
    return dict(get_base_model_state_dict(model))


class BaseChangedWarning(UserWarning):
    """A buffer of the frozen base is not what it was when the adapter was attached.

    Example:
        >>> import warnings
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("error", authoring.BaseChangedWarning)  # refuses to save it
    """


def remember_buffers(model: nn.Module) -> None:
    """Store digests of the persistent buffers of a base, for `warn_if_changed`."""
    setattr(backbone(model), _DIGESTS, _digests(model))


def warn_if_changed(model: nn.Module) -> None:
    """Warn if a persistent buffer of the base has changed."""
    before: dict[str, str] = getattr(backbone(model), _DIGESTS, {})
    now = _digests(model) if before else {}
    changed = [name for name, digest in before.items() if now.get(name, digest) != digest]
    if changed:
        warnings.warn(
            f"{', '.join(changed[:3])} of the frozen base changed since the adapter was attached. "
            "No file of the adapter has these values, so that a reloaded model computes something "
            f"else. Keep {changed[0].rpartition('.')[0]} in eval mode, or name it in `head`",
            BaseChangedWarning,
            stacklevel=3,
        )


def _digests(model: nn.Module) -> dict[str, str]:
    head = head_names(model)
    return {
        f"{name}.{key}": tensors_hash({key: gathered(value)})
        for name, module in base_modules(model)
        for key, value in module._buffers.items()
        if value is not None and key not in module._non_persistent_buffers_set
        if not in_head(name, head) and not value.is_meta
    }
