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
    },
    data={
        "composed": "scionwood_audio.data.composed:Composed",
        "events": "scionwood_audio.data.events:Events",
    },
    commands={
        "find": "scionwood_audio.verbs.find:find_calls",
        "score": "scionwood_audio.verbs.score:score",
    },
    tasks={"find": "scionwood_audio.tasks.find:Find"},
    recipes="scionwood_audio.recipes",
    rooms=("errors",),
    readers={"sound": "scionwood_audio.readers.sound:SoundReader"},
    services={"find": "scionwood_audio.verbs.find_request:find_request"},
    parsers={"selections": "scionwood_audio.readers.parsers:Selections"},
)

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
