"""Sign the manifest of a run with a local key and without network, through `model-signing`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from scionwood.cli.command import prints
from scionwood.recipes.arguments import InputPath
from scionwood.runs.layout import FILES, SIGNATURE
from scionwood.runs.manifest import check_manifest, read_bounded, read_manifest, write_manifest
from scionwood.runs.reference import locate
from scionwood.runs.seal import library, wrong_key
from scionwood_sandbox.files import atomic_path, writing


def _show(signature: Path) -> None:
    print(signature)


@prints(_show)
def sign(run: str | Path, *, key: InputPath) -> Path:
    """Sign a run or an adapter with a private key of your own.

    It writes `signature.json` beside the manifest. A folder without a manifest gets one.

    Args:
        run: the run, by any reference, or the folder of an adapter.
        key: the private key, a PEM file without a password.

    Returns:
        The file of the signature.

    Raises:
        AdapterFileError: a file is not as the manifest states.
        TrainingError: there is no such run, the key cannot be read, or the package `model-signing`
            is not installed.
        WriteError: the disk is full or not writable.

    Example:
        >>> scionwood_share.sign("runs/none", key="key.pem")
        Traceback (most recent call last):
        ...
        scionwood.errors.TrainingError: run runs/none: there is no such folder, ...
    """
    folder = locate(run)
    signing, hashing = library("signing"), library("hashing")
    if read_manifest(folder) is None:
        write_manifest(folder)
    check_manifest(folder)
    content = read_bounded(folder / FILES)
    try:
        signer = signing.Config().use_elliptic_key_signer(private_key=Path(key))
    except (OSError, ValueError, TypeError) as error:
        raise wrong_key(key, error) from error
    with (
        tempfile.TemporaryDirectory() as place,
        writing(folder),
        atomic_path(folder / SIGNATURE) as part,
    ):
        # A copy: nothing can be swapped in while the library reads it.
        (Path(place) / FILES).write_bytes(content)
        signer.set_hashing_config(hashing.Config().use_file_serialization())
        signer.sign(Path(place) / FILES, part)
    return folder / SIGNATURE
