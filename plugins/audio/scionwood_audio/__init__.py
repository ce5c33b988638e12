"""Find calls and words in recordings from a few examples, with adapters on Whisper."""

from __future__ import annotations

from scionwood import Plugin
from scionwood.authoring import attach_stub

plugin = Plugin(
    name="audio",
    summary="Sound: find the calls and words of a few examples in recordings, on Whisper",
    backbones={
        "whisper": "scionwood_audio.backbones:Whisper",
        "whisper_text": "scionwood_audio.backbones:WhisperText",
        "matcher": "scionwood_audio.backbones:WordMatcher",
    },
    readers={"sound": "scionwood_audio.readers.sound:SoundReader"},
    data={"words": "scionwood_audio.data.words:Words"},
    tasks={"keyword": "scionwood_audio.tasks.keyword:Keyword"},
    commands={
        "spot": "scionwood_audio.verbs.spot:spot",
        "enrol": "scionwood_audio.verbs.enrol:enrol",
        "compare": "scionwood_audio.verbs.compare:compare",
    },
    recipes="scionwood_audio.recipes",
    rooms=("errors",),
)

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
