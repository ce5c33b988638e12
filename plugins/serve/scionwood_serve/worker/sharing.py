"""Tensors that several models have in common are stored once."""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import suppress

import torch
from torch import Tensor, nn

Key = tuple[str, torch.dtype, tuple[int, ...], tuple[int, ...], str]


class Pool:
    """The tensors of models that only answer, each content once.

    Two adapters on one base are built as two trees of modules. The pool gives the second tree the
    storage of the first wherever the bytes are equal: that is the whole frozen base, whatever the
    method of the adapter. So a swap is a swap of trees, and no request can see a mixture.

    Example:
        >>> import torch
        >>> from scionwood_serve import Pool
        >>> one, two = torch.nn.Linear(64, 64), torch.nn.Linear(64, 64)
        >>> two.load_state_dict(one.state_dict())
        <All keys matched successfully>
        >>> pool = Pool()
        >>> pool.share(one), pool.share(two)
        (0, 16640)
        >>> two.weight.data_ptr() == one.weight.data_ptr()
        True
    """

    def __init__(self) -> None:
        self._held: dict[Key, Tensor] = {}

    @torch.no_grad()
    def share(self, model: nn.Module, *, frozen: bool = False) -> int:
        """Let a model use the stored tensors, and store those that are new.

        Args:
            model: a model whose tensors nobody changes from now on.
            frozen: take only parameters that do not train, since the others change.

        Returns:
            The bytes that it no longer holds itself.
        """
        saved = 0
        fixed = {id(p) for p in model.parameters() if not p.requires_grad}
        for tensor in _tensors(model):
            if frozen and id(tensor) not in fixed:
                continue
            key = _key(tensor)
            shared_tensor = self._held.setdefault(key, tensor.detach())
            if shared_tensor.data_ptr() != tensor.data_ptr():
                tensor.data = shared_tensor
                saved += tensor.nbytes
        give_back()
        return saved

    def forget(self, models: Iterable[nn.Module]) -> None:
        """Forget every tensor that none of the models uses.

        Args:
            models: all models that are still served.
        """
        used = {tensor.data_ptr() for model in models for tensor in _tensors(model)}
        self._held = {key: t for key, t in self._held.items() if t.data_ptr() in used}
        give_back()


def give_back() -> None:
    """Return free memory to the system; only the C library of Linux can be asked to."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def _tensors(model: nn.Module) -> Iterator[Tensor]:
    tensor_ids: set[int] = set()
    for tensor in (*model.parameters(), *model.buffers()):
        plain = type(tensor) in (Tensor, nn.Parameter, nn.Buffer) and tensor.layout == torch.strided
        if plain and tensor.numel() and id(tensor) not in tensor_ids:
            tensor_ids.add(id(tensor))
            yield tensor


def _key(tensor: Tensor) -> Key:
    flat = tensor.detach().contiguous().reshape(-1).view(torch.uint8).cpu().numpy()
    digest = hashlib.sha256(flat.data).hexdigest()
    device = str(tensor.device)
    return device, tensor.dtype, tuple(tensor.shape), tuple(tensor.stride()), digest
