"""Segment a volume with a run, and write its mask on the same grid."""

from __future__ import annotations

import gzip
from itertools import product
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from scionwood import ReadError, TrainingError, find_run, load_run, resolve
from scionwood.authoring import atomic_path, writing
from scionwood_biomed.readers.dicom import DicomReader
from scionwood_biomed.readers.masks import ordered_files
from scionwood_biomed.readers.nifti import NiftiReader
from scionwood_biomed.readers.opening import stretched
from scionwood_biomed.tasks.segment import Segment
from scionwood_biomed.verbs.options import RunOptions
from scionwood_deid import Window, to_display

COPIED = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
          "StudyID", "AccessionNumber", "ReferringPhysicianName")  # fmt: skip
"""What a DICOM SEG takes over from its images."""

nib: Any = nibabel  # its functions have no type annotations


@torch.no_grad()
def segment_file(
    path: str | Path,
    target: str | Path,
    run: str | Path,
    options: RunOptions,
    *,
    overwrite: bool = False,
) -> np.ndarray:
    """Segment the slices of a volume with a run of `biomed/segment`; see `verbs.segment`.

    Args:
        path: a NIfTI volume, or the folder of a DICOM series.
        target: the mask: `.nii` or `.nii.gz` for NIfTI, `.dcm` (DICOM SEG, needs highdicom) for
            DICOM.
        run: a finished run of `biomed/segment`.
        options: the window of DICOM, and the device.
        overwrite: replace `target` if it exists.

    Returns:
        (slice, row, column) uint8, in the orientation of the file's reader.

    Raises:
        ReadError: a file is damaged, or the ending of the target does not fit.
        TrainingError: the run is not a finished run of this task.
        OutputExistsError: the target exists and `overwrite` is false.
    """
    path, target = Path(path), Path(target)
    folder = find_run(run)
    task = load_run(folder, options.device)
    if not isinstance(task, Segment):
        rule = f"its task is {type(task).__name__}, and biomed/segment is needed"
        raise TrainingError(str(run), rule, "Train one: scionwood fit biomed/segment")
    data = resolve(folder / "recipe.yaml").data
    window: Window = options.window or data.options.get("window", "file")
    is_nifti = path.name.lower().endswith(NiftiReader.suffixes)
    endings = NiftiReader.suffixes if is_nifti else (".dcm",)
    if not target.name.lower().endswith(endings):
        rule = f"the mask of this volume ends in {' or '.join(endings)}"
        raise ReadError(str(target), rule, "Give such a name")
    picture = _picture(path, window, is_nifti)
    network: Any = task.backbone
    masks = [label_slice(network, rows, network.size, options.device) for rows in picture]
    mask = np.stack(masks)
    with writing(target), atomic_path(target, overwrite=overwrite) as part:
        if is_nifti:
            part.write_bytes(_nifti(path, mask, packed=target.name.lower().endswith(".gz")))
        else:
            write_seg(path, part, mask, network.classes)
    return mask


def label_slice(network: Any, picture: np.ndarray, size: int, device: str = "cpu") -> np.ndarray:
    """Label one slice with windows that overlap by half; probabilities are averaged.

    Args:
        network: maps (batch, 3, size, size) to logits (batch, class, size, size).
        picture: (row, column) float32 from 0 to 1, of any size.
        size: side of a window in pixels.
        device: device of the computation.

    Returns:
        (row, column) uint8.
    """
    rows, columns = picture.shape
    wide = [max(size - have, 0) for have in (rows, columns)]
    before = [width // 2 for width in wide]
    image = torch.from_numpy(np.ascontiguousarray(picture))[None, None].to(device)
    image = F.pad(image, (before[1], wide[1] - before[1], before[0], wide[0] - before[0]))
    total: Tensor | None = None
    for top in _starts(image.shape[-2], size):
        for left in _starts(image.shape[-1], size):
            part = image[..., top : top + size, left : left + size].expand(-1, 3, -1, -1)
            answer = network(part).softmax(1)
            if total is None:
                total = torch.zeros(1, answer.shape[1], *image.shape[-2:], device=device)
            # The sum of the windows over a pixel serves as their mean: `argmax` is the same for
            # both.
            total[..., top : top + size, left : left + size] += answer
    assert total is not None
    labels = total.argmax(1)[0, before[0] : before[0] + rows, before[1] : before[1] + columns]
    return labels.to(torch.uint8).cpu().numpy()


def _starts(length: int, size: int) -> list[int]:
    return sorted({*range(0, length - size, max(size // 2, 1)), length - size})


def _picture(path: Path, window: Window, is_nifti: bool) -> np.ndarray:
    if is_nifti:
        return stretched(NiftiReader(path).read(0).data).transpose(2, 1, 0)
    ordered_files(path)  # checks that it is one whole series
    reader = DicomReader(path)
    values = reader.read(0).data
    picture: np.ndarray = to_display(values, reader.series[0].first.header, window)[..., 0]
    return picture


def _nifti(path: Path, mask: np.ndarray, *, packed: bool) -> bytes:
    """Return the bytes of the mask in the orientation of the file, with its affine."""
    source = nib.load(path)
    orientation = nib.io_orientation(NiftiReader(path).affine)
    # The reader turned the volume to the nearest standard orientation; the mask goes the way back,
    # and then lies on the voxels of the file.
    back = nib.orientations.ornt_transform(orientation, nib.io_orientation(source.affine))
    values = nib.orientations.apply_orientation(mask.transpose(2, 1, 0), back)
    image = nib.Nifti1Image(values.astype(np.uint8), source.affine)
    image.header["xyzt_units"] = (int(source.header["xyzt_units"]) & 7) or 2  # unknown: mm
    data: bytes = image.to_bytes()
    return gzip.compress(data, mtime=0) if packed else data


def write_seg(path: Path, target: Path, mask: np.ndarray, classes: list[str]) -> None:
    """Write a DICOM SEG of a series.

    Args:
        path: the folder of the series.
        target: the file to write.
        mask: (slice, row, column) uint8: 0 is background, n the nth class.
        classes: names of the classes.

    Raises:
        ReadError: highdicom is not installed, or the series states no frame of reference, or one
            slice states no thickness.
    """
    try:
        import highdicom as hd
    except ImportError as error:
        remedy = "pip install monai highdicom"
        raise ReadError(str(target), "a DICOM SEG needs highdicom", remedy) from error
    from pydicom.sr.codedict import codes

    sources = _sources(path)
    described = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=name,
            segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
            segmented_property_type=codes.SCT.Lesion,
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=hd.AlgorithmIdentificationSequence(
                name="biomed/segment", family=codes.DCM.ArtificialIntelligence, version="1"
            ),
        )
        for number, name in enumerate(classes, start=1)
    ]
    hd.seg.Segmentation(
        source_images=sources,
        pixel_array=mask,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=described,
        series_instance_uid=hd.UID(),
        series_number=1,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="Scionwood",
        manufacturer_model_name="scionwood-biomed",
        software_versions="1",
        device_serial_number="1",
    ).save_as(target)


def _sources(path: Path) -> list[Any]:
    """Return the slices of a series with all that a DICOM SEG takes over from them."""
    import pydicom

    sources: list[Any] = [pydicom.dcmread(file) for file in ordered_files(path)]
    if any("FrameOfReferenceUID" not in source for source in sources):
        rule = "it has no FrameOfReferenceUID, which a DICOM SEG needs"
        raise ReadError(str(path), rule, "Use a series that states its frame of reference")
    thickness = _thickness(path, sources)
    for source in sources:
        source.SliceThickness = thickness
    for source, name in product(sources, COPIED):
        if name not in source:  # the standard wants it, with or without a value
            setattr(source, name, "")
    return sources


def _thickness(path: Path, sources: list[Any]) -> float:
    """Return the thickness of slices in mm; where it is not stated, their distance."""
    if (thickness := sources[0].get("SliceThickness")) is not None:
        return float(thickness)
    if len(sources) == 1:
        rule = "its slice has no SliceThickness, which a DICOM SEG needs"
        raise ReadError(str(path), rule, "Use a series that states it, or one of several slices")
    one, two = (np.array(source.ImagePositionPatient, float) for source in sources[:2])
    return float(np.linalg.norm(two - one))
