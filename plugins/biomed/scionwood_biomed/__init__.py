"""Adapt medical vision-language models to few labelled images, with readers of their formats."""

from __future__ import annotations

from scionwood import Plugin

plugin = Plugin(
    name="biomed",
    summary="Medical images: adapt BiomedCLIP with few labels; readers of DICOM, NIfTI, slides and "
    "archives with their units, orientation and privacy",
    backbones={
        "clip": "scionwood_biomed.backbones:clip",
        "blocks": "scionwood_biomed.backbones:blocks",
        "bag": "scionwood_biomed.backbones:bag",
        "segmenter": "scionwood_biomed.backbones:segmenter",
    },
    readers={
        "dicom": "scionwood_biomed.readers.dicom:DicomReader",
        "nifti": "scionwood_biomed.readers.nifti:NiftiReader",
        "picture": "scionwood_biomed.readers.pictures:PictureReader",
        "slide": "scionwood_biomed.readers.slides:SlideReader",
        "medmnist": "scionwood_biomed.readers.medmnist:MedMnistReader",
        "shard": "scionwood_biomed.readers.shards:ShardReader",
    },
    data={
        "phantoms": "scionwood_biomed.data.phantoms:Phantoms",
        "images": "scionwood_biomed.data.images:Images",
        "studies": "scionwood_biomed.data.studies:Studies",
        "masks": "scionwood_biomed.data.masks:Masks",
        "mask_phantoms": "scionwood_biomed.data.masks:MaskPhantoms",
        "volume_phantoms": "scionwood_biomed.data.volume_phantoms:VolumePhantoms",
    },
    tasks={
        "few_shot": "scionwood_biomed.tasks.few_shot:FewShot",
        "blockwise_lda": "scionwood_biomed.tasks.blockwise_lda:BlockwiseLda",
        "volumes": "scionwood_biomed.tasks.volumes:Volumes",
        "segment": "scionwood_biomed.tasks.segment:Segment",
    },
    adapters={"dual_anchor": "scionwood_biomed.adapters.dual_anchor.config:DualAnchorConfig"},
    commands={
        "classify": "scionwood_biomed.cli.models:classify",
        "evaluate": "scionwood_biomed.cli.models:evaluate",
        "study": "scionwood_biomed.cli.studies:study",
        "segment": "scionwood_biomed.cli.studies:segment",
        "score": "scionwood_biomed.cli.studies:score",
        "audit_splits": "scionwood_biomed.cli.models:audit_splits",
        "deidentify_check": "scionwood_biomed.cli.privacy:deidentify_check",
        "deidentify": "scionwood_biomed.cli.privacy:deidentify",
        "review": "scionwood_biomed.cli.review:review",
    },
    probes={"few_shot": "scionwood_biomed.evaluation.behaviour:few_shot"},
    recipes="scionwood_biomed.recipes",
    rooms=("privacy", "monai"),
    services={
        "classify": "scionwood_biomed.services:classify",
        "study": "scionwood_biomed.services:study",
        "segment": "scionwood_biomed.services:segment",
    },
    parsers={
        "tables": "scionwood_biomed.data.parsers:Tables",
        "prompts": "scionwood_biomed.tasks.parsers:Prompts",
    },
)
