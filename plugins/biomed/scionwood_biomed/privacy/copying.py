"""De-identify or check one file of any kind that this handles."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, final

from scionwood import ReadError, atomic_path, call_in_child, check_target, writing
from scionwood_biomed.privacy.dicom_copy import Copied, copy_file, inspect_file
from scionwood_biomed.privacy.findings import Findings
from scionwood_biomed.privacy.keys import Key, choose_key
from scionwood_biomed.privacy.nifti_copy import copy_nifti, inspect_nifti, is_nifti
from scionwood_biomed.privacy.pixels import PixelPolicy
from scionwood_biomed.privacy.profile import Profile

Kind = Literal["DICOM", "NIfTI", "other"]


@final
@dataclass(frozen=True)
class Order:
    """How files are de-identified.

    Attributes:
        key: the secret of the replacements.
        profile: the options of the Basic Profile.
        pixels: what is done about text in pixels.
    """

    key: Key
    profile: Profile = field(default_factory=Profile)
    pixels: PixelPolicy = field(default_factory=PixelPolicy)

    def mark(self) -> str:
        """Return what tells this order from others, and says nothing about the key."""
        policy = self.key.name(repr(self.pixels))[:8]
        return f"{self.key.mark()}-{self.profile.mark()}-{policy}"


def kind_of(path: Path) -> Kind:
    """Return the kind of a file: DICOM by its content, NIfTI by its ending.

    Args:
        path: any file.
    """
    if is_nifti(path):
        return "NIfTI"
    try:
        with path.open("rb") as file:
            head = file.read(132)
    except OSError:
        return "other"
    named = path.name.lower().endswith((".dcm", ".dicom")) or path.name.upper() == "DICOMDIR"
    # Without a preamble, as before 1993: the first element is of group 0002 or 0008.
    bare = head[:2] in (b"\x02\0", b"\x08\0") and head[3:4] == b"\0" and len(head) == 132
    return "DICOM" if named or bare or head[128:] == b"DICM" else "other"


def inspect(path: str | Path, *, detect_text: bool = False) -> Findings:
    """List what a DICOM or NIfTI file holds and a copy may not; no value is returned.

    Args:
        path: the file.
        detect_text: look for text in the pixels of DICOM with an OCR too (extra `ocr`).

    Raises:
        ReadError: the file is neither, or is damaged, or the OCR is not installed.

    Source: DICOM PS3.15 Annex E, edition 2026c.
    """
    path = Path(path)
    kind = kind_of(path) if path.exists() else "DICOM"
    if kind == "other":
        raise ReadError(str(path), "it is neither DICOM nor NIfTI", "Leave it out")
    if kind == "NIfTI":
        return Findings(path, channels=call_in_child(inspect_nifti, path))
    return Findings(path, **vars(call_in_child(inspect_file, path, detect_text)))


def write_copy(
    path: Path, target: Path, order: Order, *, overwrite: bool = False
) -> tuple[Findings, Findings]:
    """Write a de-identified copy of one file.

    Args:
        path: a DICOM or NIfTI file.
        target: the file to write.
        order: how.
        overwrite: replace `target` if it exists.

    Returns:
        What the original file contained, and what the verifier finds in the copy.

    Raises:
        ReadError: the file is damaged, or of a kind that is not copied; nothing is written.
        OutputExistsError: `target` exists and `overwrite` is false.
    """
    check_target(target, overwrite)
    if kind_of(path) == "NIfTI":
        volume = call_in_child(copy_nifti, path)
        before, after = (
            Findings(place, channels=found)
            for place, found in ((path, volume.before), (target, volume.after))
        )
        data = volume.data
    else:
        copied = call_in_child(copy_file, path, order.key, order.profile, order.pixels, target.name)
        before, after = findings_of(path, target, copied)
        data = copied.data
    with writing(target), atomic_path(target, overwrite=overwrite) as part:
        part.write_bytes(data.tobytes())
    return before, after


def findings_of(path: Path, target: Path, copied: Copied) -> tuple[Findings, Findings]:
    """Return what a source and its copy hold."""
    before = Findings(path, **vars(copied.before))
    return before, Findings(target, **vars(copied.after), traces=copied.traces)


def deidentify(
    path: str | Path,
    target: str | Path,
    *,
    salt: str | None = None,
    key: str | Path | None = None,
    profile: Profile | None = None,
    pixels: PixelPolicy | None = None,
    overwrite: bool = False,
) -> Findings:
    """Write a copy of a file without what identifies a person; see `Cleaner` for the rules.

    Args:
        path: a DICOM or NIfTI file.
        target: file to write.
        salt: a secret text that pseudonyms, UIDs and offsets of dates are made with.
        key: a file with the secret, in place of `salt`; see `keys.make_key`.
        profile: the options; by default the Basic Profile alone.
        pixels: what is done about text in pixels; by default nothing.
        overwrite: replace `target` if it exists.

    Returns:
        What the original file contained.

    Raises:
        ReadError: the file is damaged or of a kind that is not copied, or the secret is missing.
        OutputExistsError: `target` exists and `overwrite` is false.
        WriteError: the target cannot be written.
    """
    secret = choose_key(None if key is None else Path(key), salt)
    order = Order(secret, profile or Profile(), pixels or PixelPolicy())
    return write_copy(Path(path), Path(target), order, overwrite=overwrite)[0]
