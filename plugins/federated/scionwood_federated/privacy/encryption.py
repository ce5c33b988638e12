"""Sums of encrypted updates by CKKS: whoever sums them cannot read them.

After FedShield-LLM (arXiv 2506.05640), with its key handling and its packing changed. The secret
key stays with the sites and never reaches the server. Ciphertexts are only added. Each site prunes
the smallest values of its own update before encryption. All sites share one secret key, so that one
of them together with the server can read an update of another.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from scionwood import AdapterFileError
from scionwood.authoring import atomic_folder, writing
from scionwood_federated.update.record import FederationError

SECRET, PUBLIC = "secret.key", "public.key"
DEGREE, BITS, SCALE = 8192, (60, 60), 2.0**40
"""Parameters of CKKS for additions only; half of `DEGREE` values fit into a ciphertext."""

LARGEST = 2.0**13
"""The largest value before encryption; 64 of them still fit into the modulus."""

_MAGIC, _ID = b"scionwood ckks 1\n", 16
_MAX_BYTES = 1 << 30
_CHUNK = DEGREE // 2


def make_keys(out: str | Path) -> None:
    """Write a secret key for the sites, and a public one for the sites and the server.

    Args:
        out: the folder; only its owner may read it.

    Raises:
        FederationError: TenSEAL is not installed.
        OutputExistsError: the folder exists.
    """
    ts = tenseal()
    context = ts.context(
        ts.SCHEME_TYPE.CKKS, poly_modulus_degree=DEGREE, coeff_mod_bit_sizes=list(BITS)
    )
    context.global_scale = SCALE
    # The same random name in both files: a sum under another key would decrypt to noise.
    mark = _MAGIC + secrets.token_bytes(_ID)
    with writing(out), atomic_folder(out) as folder:
        folder.chmod(0o700)
        with open(folder / SECRET, "wb", opener=_private) as file:
            file.write(mark + context.serialize(save_secret_key=True))
        context.make_context_public()
        (folder / PUBLIC).write_bytes(mark + context.serialize())


class Key(NamedTuple):
    """A key, and the name that the secret and the public one share.

    Attributes:
        context: TenSEAL's context.
        name: a random text.
    """

    context: Any
    name: str


def read_key(path: str | Path) -> Key:
    """Return the key of a file.

    Raises:
        AdapterFileError: it is missing, or no key.
        FederationError: TenSEAL is not installed.
    """
    ts, content, start = tenseal(), _read(Path(path)), len(_MAGIC) + _ID
    remedy = f"Name {SECRET} or {PUBLIC}"
    if not content.startswith(_MAGIC):
        raise AdapterFileError(str(path), "is no key", remedy)
    try:
        return Key(ts.context_from(content[start:]), content[len(_MAGIC) : start].hex())
    except (ValueError, RuntimeError, TypeError) as error:
        raise AdapterFileError(str(path), f"is no key ({error})", remedy) from error


def encrypted(values: Tensor, key: Key, path: Path) -> None:
    """Encrypt numbers, and write them as ciphertexts.

    Args:
        values: (n,) numbers.
        key: a public or a secret key.
        path: the file to write.

    Raises:
        FederationError: a value is too large for the modulus.
    """
    ts = tenseal()
    largest = float(values.abs().max()) if len(values) else 0.0
    # Not `>=`: NaN is refused too.
    if not largest < LARGEST:
        rule = f"a weight times the number of samples is {largest:.3g}, and {LARGEST:g} is the most"
        remedy = "Give all sites' samples in thousands: --samples"
        raise FederationError("encryption", rule, remedy)
    parts = (
        ts.ckks_vector(key.context, part.tolist()) for part in torch.split(values.double(), _CHUNK)
    )
    _write(path, (part.serialize() for part in parts))


def summed(paths: Sequence[Path], key: Key, out: Path) -> None:
    """Add ciphertexts of several files, without being able to read any of them.

    Args:
        paths: the files of the sites.
        key: the public key.
        out: the file to write.

    Raises:
        AdapterFileError: a file is damaged, or has another number of ciphertexts.
    """
    ts = tenseal()
    files = [list(_blocks(path)) for path in paths]
    for path, blocks in zip(paths, files, strict=True):
        if len(blocks) != len(files[0]):
            rule = f"has {len(blocks)} ciphertexts, and {paths[0]} has {len(files[0])}"
            raise AdapterFileError(str(path), rule, "Ask the site for its update again")

    def added(blocks: Iterable[tuple[Path, bytes]]) -> bytes:
        total: Any = None
        for path, block in blocks:
            try:
                one = ts.ckks_vector_from(key.context, block)
            except (ValueError, RuntimeError, TypeError) as error:
                raise AdapterFileError(str(path), f"is no ciphertext ({error})") from error
            total = one if total is None else total + one
        return bytes(total.serialize())

    rows = zip(*files, strict=True)
    _write(out, (added(zip(paths, row, strict=True)) for row in rows))


def decrypted(path: Path, key: Key, count: int) -> Tensor:
    """Decrypt a file of ciphertexts.

    Args:
        path: the file.
        key: the secret key.
        count: the number of values.

    Returns:
        (count,) float64.

    Raises:
        FederationError: the key is a public one.
        AdapterFileError: the file is damaged, or holds another number of values.
    """
    if not key.context.is_private():
        rule = "it has no secret, and cannot decrypt anything"
        raise FederationError("the public key", rule, "A site decrypts, with secret.key")
    ts = tenseal()
    try:
        blocks = [ts.ckks_vector_from(key.context, block).decrypt() for block in _blocks(path)]
    except (ValueError, RuntimeError, TypeError) as error:
        raise AdapterFileError(str(path), f"cannot be decrypted ({error})") from error
    values = torch.tensor([value for part in blocks for value in part], dtype=torch.float64)
    if len(values) != count:
        raise AdapterFileError(str(path), f"holds {len(values)} values, not {count}")
    return values


def prune_rate(round_: int, rounds: int = 200) -> float:
    """Return the share of coordinates to prune: none until a fifth of the rounds, then 20 to 50 %.

    Args:
        round_: the number of the round, from 1.
        rounds: the number of all rounds.

    Example:
        >>> from scionwood_federated.privacy.encryption import prune_rate
        >>> prune_rate(40), prune_rate(120), prune_rate(200)
        (0.0, 0.35, 0.5)
    """
    first = rounds // 5
    if round_ <= first:
        return 0.0
    return round(0.2 + 0.3 * min(1.0, (round_ - first) / max(rounds - first, 1)), 6)


def pruned(change: Tensor, rate: float) -> Tensor:
    """Return an update with its smallest values set to 0, which hides where they moved.

    The mask is the site's own and secret, as in the paper. A ciphertext of zeros is as long as any
    other, so that pruning saves no bytes.

    Args:
        change: (n,) what a site changed.
        rate: the share to prune, below 1.
    """
    rows = change.abs().argsort(stable=True)[: int(rate * len(change))]
    return change.index_fill(0, rows, 0.0)


def tenseal() -> Any:
    """Return the module tenseal.

    Raises:
        FederationError: it is not installed.
    """
    try:
        import tenseal as ts
    except ImportError as error:
        remedy = "pip install tenseal"
        raise FederationError("encryption", "TenSEAL is not installed", remedy) from error
    return ts


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _read(path: Path) -> bytes:
    if not path.is_file() or path.stat().st_size > _MAX_BYTES:
        raise AdapterFileError(
            str(path), "is missing, no file, or larger than 1 GiB", "Check the path"
        )
    return path.read_bytes()


def _write(path: Path, blocks: Iterable[bytes]) -> None:
    with path.open("wb") as file:
        for block in blocks:
            file.write(len(block).to_bytes(8, "little") + block)


def _blocks(path: Path) -> Iterator[bytes]:
    content = _read(path)
    place = 0
    while place < len(content):
        size = int.from_bytes(content[place : place + 8], "little")
        block = content[place + 8 : place + 8 + size]
        if not size or len(block) != size:
            raise AdapterFileError(str(path), "is truncated", "Ask the site for its update again")
        yield block
        place += 8 + size
