"""Readers of DICOM, NIfTI, pictures, whole slides, MedMNIST archives and shards."""
