"""Adapt medical vision-language models to few labelled images, with readers of their formats."""

from __future__ import annotations

from scionwood import Plugin
from scionwood.authoring import attach_stub

plugin = Plugin(
    name="biomed",
    summary="Medical images: adapt BiomedCLIP with few labels; readers of DICOM, NIfTI, slides and "
    "archives with their units, orientation and privacy",
    backbones={
        "clip": "scionwood_biomed.backbones:ClipBackbone",
        "blocks": "scionwood_biomed.backbones:BlockClassifier",
        "bag": "scionwood_biomed.backbones:BagClassifier",
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
        "classify": "scionwood_biomed.verbs.classify:classify",
        "evaluate": "scionwood_biomed.verbs.evaluate:evaluate",
        "study": "scionwood_biomed.verbs.study:study",
        "segment": "scionwood_biomed.verbs.segment:segment",
        "score": "scionwood_biomed.verbs.score:score",
        "audit_splits": "scionwood_biomed.verbs.audit_splits:audit_splits",
        "deidentify_check": "scionwood_biomed.verbs.deidentify:deidentify_check",
        "deidentify": "scionwood_biomed.verbs.deidentify:deidentify",
        "review": "scionwood_biomed.verbs.deidentify:review",
    },
    probes={"few_shot": "scionwood_biomed.evaluation.behaviour:few_shot"},
    recipes="scionwood_biomed.recipes",
    bases="scionwood_biomed.bases",
    rooms=("monai",),
    services={
        "classify": "scionwood_biomed.verbs.requests:classify_request",
        "study": "scionwood_biomed.verbs.requests:study_request",
        "segment": "scionwood_biomed.verbs.requests:segment_request",
    },
    parsers={
        "tables": "scionwood_biomed.data.parsers:Tables",
        "prompts": "scionwood_biomed.tasks.parsers:Prompts",
    },
)

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
