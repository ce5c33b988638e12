"""Refuse files and folders that take their content from elsewhere on this machine.

A file of a stranger may name any file that its reader may read: through a link in a folder, or
through the external storage of HDF5. The content would then appear as data.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from scionwood_sandbox.errors import ReadError

if TYPE_CHECKING:
    import h5py

_COPY = "Copy the file itself there"
_ONE_FILE = "Copy the data into one file first"
_DEEPEST = 64  # groups in groups


def check_inside(
    path: str | Path, root: str | Path, kind: str, *, remedy: str = _COPY, allow: str = ""
) -> None:
    """Refuse a file that lies outside of a folder, after all links are followed.

    Args:
        path: the file or folder; it need not exist.
        root: the folder.
        kind: the format, for the message.
        remedy: what the user can do instead.
        allow: a second folder that is permitted; empty means none.

    Raises:
        ReadError: the file lies outside.

    Example:
        >>> from scionwood_sandbox import check_inside
        >>> check_inside("scans/a.dcm", "scans", "DICOM")
        >>> check_inside("scans/../b.dcm", "scans", "DICOM")
        Traceback (most recent call last):
        ...
        scionwood_sandbox.errors.ReadError: scans/../b.dcm: DICOM: it leads to ..., outside ...
    """
    real = Path(os.path.realpath(path))
    places = [root, allow] if allow else [root]
    if not any(real.is_relative_to(os.path.realpath(place)) for place in places):
        rule = f"{kind}: it leads to {real}, outside of {root}"
        raise ReadError(str(path), rule, remedy)


def check_links(folder: str | Path, kind: str, *, remedy: str = _COPY, allow: str = "") -> None:
    """Refuse a folder with a link, at any depth, that leads out of the folder.

    Args:
        folder: the folder; it may itself be a link.
        kind: the format, for the message.
        remedy: what the user can do instead.
        allow: a second folder that links may lead to; empty means none.

    Raises:
        ReadError: naming the link and what it leads to.
        OSError: the folder cannot be listed.

    Example:
        >>> from pathlib import Path
        >>> Path("store.zarr").mkdir()
        >>> Path("store.zarr/0.0").symlink_to("/etc/hostname")
        >>> from scionwood_sandbox import check_links
        >>> check_links("store.zarr", "Zarr")
        Traceback (most recent call last):
        ...
        scionwood_sandbox.errors.ReadError: store.zarr/0.0: Zarr: it leads to ..., outside of ...
    """
    for place, folders, files in os.walk(folder, onerror=_raise):
        for name in (*folders, *files):
            path = os.path.join(place, name)
            if os.path.islink(path):
                check_inside(path, folder, kind, remedy=remedy, allow=allow)


def check_hdf5(path: str | Path, file: h5py.File, kind: str = "HDF5") -> None:
    """Refuse an HDF5 file that takes data from other files: links, raw storage, virtual datasets.

    So is one whose groups are nested so deep that visiting them takes for ever, and one whose lists
    of axes have a type on which HDF5 would follow addresses that the file chose. The structure
    alone decides. No other file is opened, and a virtual dataset whose sources are missing is
    refused too: it would read as zeros.

    Args:
        path: the file, for the message.
        file: the open file.
        kind: the format, for the message.

    Raises:
        ReadError: naming the link, the dataset or the depth.

    Example:
        >>> import h5py
        >>> from scionwood_sandbox import check_hdf5
        >>> with h5py.File("waves.h5", "w") as file:
        ...     file["data"] = h5py.ExternalLink("/etc/hostname", "/data")
        >>> with h5py.File("waves.h5") as file:
        ...     check_hdf5("waves.h5", file)
        Traceback (most recent call last):
        ...
        scionwood_sandbox.errors.ReadError: waves.h5: HDF5: link 'data' points to the file ...
    """
    import h5py

    def look_at_link(name: bytes, info: Any) -> str | None:
        if name.count(b"/") >= _DEEPEST:
            return f"its groups are nested more than {_DEEPEST} deep"
        if info.type in (h5py.h5l.TYPE_HARD, h5py.h5l.TYPE_SOFT):
            return None
        target = "another file"
        if info.type == h5py.h5l.TYPE_EXTERNAL:
            target = "the file " + repr(os.fsdecode(file.id.links.get_val(name)[0]))
        return f"link {name.decode(errors='replace')!r} points to {target}"

    def look_at_object(name: bytes, info: Any) -> str | None:
        if info.type != h5py.h5o.TYPE_DATASET:
            return None
        dataset, quoted = h5py.h5d.open(file.id, name), repr(name.decode(errors="replace"))
        plist = dataset.get_create_plist()
        if plist.get_external_count() or plist.get_layout() == h5py.h5d.VIRTUAL:
            return f"dataset {quoted} is stored in other files"
        for label, type_class in lists.items():
            attribute = h5py.h5a.open(dataset, label) if h5py.h5a.exists(dataset, label) else None
            fits = attribute is None or attribute.get_type().get_class() == type_class
            if not fits or (
                attribute and type_class == h5py.h5t.VLEN and attribute.shape != (dataset.rank,)
            ):
                return f"attribute {label.decode()} of dataset {quoted} is no list of axes"
        return None

    # HDF5 takes the bytes of these attributes for addresses, whatever their type and number are.
    lists = {b"DIMENSION_LIST": h5py.h5t.VLEN, b"REFERENCE_LIST": h5py.h5t.COMPOUND}
    # A visitor ends the visit by returning a value; h5py may lose an exception that it raises.
    rule = file.id.links.visit(look_at_link, info=True)
    rule = rule or h5py.h5o.visit(file.id, look_at_object, info=True)
    if rule:
        raise ReadError(str(path), f"{kind}: {rule}", _ONE_FILE)


def _raise(error: OSError) -> NoReturn:
    raise error
