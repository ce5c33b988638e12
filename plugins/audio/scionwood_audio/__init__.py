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
        "audio_visual": "scionwood_audio.backbones:AudioVisual",
    },
    readers={"sound": "scionwood_audio.readers.sound:SoundReader"},
    data={
        "composed": "scionwood_audio.data.composed:Composed",
        "words": "scionwood_audio.data.words:Words",
        "scenes": "scionwood_audio.data.scenes:Scenes",
        "recordings": "scionwood_audio.data.recordings:Recordings",
    },
    tasks={
        "find": "scionwood_audio.tasks.find:Find",
        "keyword": "scionwood_audio.tasks.keyword:Keyword",
        "event": "scionwood_audio.tasks.event:Event",
        "classify": "scionwood_audio.tasks.classify:Classify",
    },
    adapters={"text_bridge": "scionwood_audio.adapters.text_bridge:TextBridgeConfig"},
    commands={
        "find": "scionwood_audio.verbs.find:find_calls",
        "score": "scionwood_audio.verbs.score:score",
        "layers": "scionwood_audio.verbs.score:layers",
        "spot": "scionwood_audio.verbs.words:spot",
        "enrol": "scionwood_audio.verbs.words:enrol",
        "compare": "scionwood_audio.verbs.words:compare",
    },
    services={"find": "scionwood_audio.verbs.find:find_request"},
    parsers={"selections": "scionwood_audio.readers.parsers:Selections"},
    recipes="scionwood_audio.recipes",
    bases="scionwood_audio.bases",
    runs="scionwood_audio.runs",
    rooms=("errors",),
)

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
