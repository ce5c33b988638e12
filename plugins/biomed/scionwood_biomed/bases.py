"""Records of the pretrained weights for medical images and signals."""

from __future__ import annotations

from scionwood.authoring import Base

_REPOSITORY = "microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224"
_TEXT = "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract"
_MODEL = {"model": "base:"}

BASES = {
    "biomedclip": Base(
        title="BiomedCLIP, a tower for pictures and one for text",
        field="medical images",
        trained_on="PMC-15M: 15 million figures of papers with their captions",
        seen="unknown: figures of many public data sets are in papers",
        parameters=195_901_952,
        licence="MIT",
        commercial="terms",  # its card asks for use in research alone
        files={
            "open_clip_config.json": "",
            "open_clip_pytorch_model.bin": "",
            "config.json": "",
            "tokenizer.json": "",
            "tokenizer_config.json": "",
            "special_tokens_map.json": "",
            "vocab.txt": "",
        },
        steps=f"Run: hf download {_REPOSITORY} --local-dir FILE, and: hf download {_TEXT} "
        "config.json --local-dir FILE",
        contract="pictures of 224 x 224, RGB from 0 to 1, with the mean and deviation of its "
        "config; texts of up to 256 tokens",
        lay_out="scionwood_biomed.model.biomedclip:lay_out",
        backbones={
            "biomed/clip": _MODEL,
            "biomed/blocks": _MODEL,
            "biomed/bag": _MODEL,
            "biomed/segmenter": _MODEL,
        },
    ),
}
