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
        parameters=196_000_000,  # about: its files were not read here
        licence="MIT, for research",  # by its card
        commercial="terms",
        files={
            "open_clip_config.json": "",
            "open_clip_pytorch_model.bin": "",
            "config.json": "",
            "tokenizer_config.json": "",
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
    "iclabel": Base(
        title="ICLabel, what an independent component of an EEG is",
        field="electroencephalography",
        trained_on="the ICLabel data set: labelled components of many laboratories",
        parameters=2_903_817,
        licence="BSD-3-Clause",
        commercial="yes",
        package="mne-icalabel==0.10.0",
        archive="mne_icalabel-0.10.0-py3-none-any.whl",
        size=48_812_387,
        files={
            "mne_icalabel/iclabel/network/assets/ICLabelNet.pt": (
                "bccfee77d028858c855ea370b17e21b77e2f52d533775d4c54f12b168063579e"
            )
        },
        contract="of each component four variants of: topography 32 x 32, spectrum 100, "
        "autocorrelation 100, each scaled by 0.99; seven classes",
        layout="40:32bc848270bc751e",
        probe="scionwood_biomed.model.iclabel:labels",
        outputs=(0.142857, 0.116703, 0.096282, 0.0844814, 0.0186357, 0.0498038, 0.24776, 0.128334),
    ),
}
