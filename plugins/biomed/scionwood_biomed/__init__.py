"""Adapt medical vision-language models to few labelled images, with readers of DICOM and NIfTI."""

from __future__ import annotations

from scionwood import Plugin

plugin = Plugin(
    name="biomed",
    summary="Medical images: adapt BiomedCLIP with few labels; readers of DICOM and NIfTI with "
    "their units, orientation and privacy",
    backbones={"clip": "scionwood_biomed.backbones:clip"},
    readers={
        "dicom": "scionwood_biomed.readers.dicom:DicomReader",
        "nifti": "scionwood_biomed.readers.nifti:NiftiReader",
        "picture": "scionwood_biomed.readers.pictures:PictureReader",
    },
    data={
        "phantoms": "scionwood_biomed.data:Phantoms",
        "images": "scionwood_biomed.data:Images",
    },
    tasks={"few_shot": "scionwood_biomed.tasks:FewShot"},
    adapters={"dual_anchor": "scionwood_biomed.dual_anchor.config:DualAnchorConfig"},
    commands={
        "classify": "scionwood_biomed.cli:classify",
        "evaluate": "scionwood_biomed.cli:evaluate",
        "audit_splits": "scionwood_biomed.cli:audit_splits",
        "deidentify_check": "scionwood_biomed.cli:deidentify_check",
        "deidentify": "scionwood_biomed.cli:deidentify",
    },
    recipes="scionwood_biomed.recipes",
)
