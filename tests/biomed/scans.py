"""CT series of synthetic patients as DICOM and NIfTI files."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pydicom

from scionwood_biomed.readers.dicom import DicomReader

BONE, WATER, AIR = 700, 0, -1000
PATIENTS = [f"MRN{7041100 + 13 * number}" for number in range(12)]


def body(inside, size=64, radius=0.8):
    """Return (row, column) HU: air around a disc of water with a smaller disc inside."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    values = np.full((size, size), float(AIR))
    values[x**2 + y**2 < radius**2] = WATER
    values[(x - 0.3) ** 2 + y**2 < 0.1 * radius**2] = inside
    return values


def air(size=64):
    return np.full((size, size), float(AIR))


def write_slice(path, values, *, patient, z=0.0, **fields):
    """Write one axial CT slice."""
    DicomReader.write_sample(path)
    dataset = pydicom.dcmread(path)
    dataset.Rows, dataset.Columns = values.shape
    dataset.ImagePositionPatient = [0, 0, z]
    dataset.PatientID, dataset.PatientName = patient, f"{patient}^Name"
    dataset.SOPInstanceUID = pydicom.uid.generate_uid(entropy_srcs=[str(path), patient])
    dataset.PixelData = np.rint(values + 1024).astype("<u2").tobytes()
    for name, value in fields.items():
        setattr(dataset, name, value)
    dataset.save_as(path)
    return path


def write_series(folder, slices, *, patient):
    """Write one file per slice, 5 mm apart."""
    folder.mkdir()
    for index, values in enumerate(slices):
        write_slice(folder / f"{index}.dcm", values, patient=patient, z=5.0 * index)
    return folder


def write_volume(path, slices):
    """Write the slices, in the order of DICOM, as a NIfTI volume in LPS."""
    volume = np.stack(slices).transpose(2, 1, 0).astype("f4")
    nib.save(nib.Nifti1Image(volume, np.diag([-1, -1, 5, 1.0])), path)
    return path


def write_cohort(root, patients):
    """Write one folder per class; patients have one slice each and alternate between classes."""
    for number, patient in enumerate(patients):
        label, inside = (("calcified lesion", BONE), ("normal liver", 60))[number % 2]
        folder = root / label
        folder.mkdir(parents=True, exist_ok=True)
        write_slice(folder / f"{number}.dcm", body(inside + number), patient=patient)
    return root
