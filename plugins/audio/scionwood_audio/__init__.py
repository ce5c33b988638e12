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
        "audio_visual": "scionwood_audio.backbones:AudioVisual",
        "clip_classifier": "scionwood_audio.backbones:ClipClassifier",
    },
    data={
        "scenes": "scionwood_audio.data.scenes:Scenes",
        "recordings": "scionwood_audio.data.recordings:Recordings",
    },
    tasks={
        "event": "scionwood_audio.tasks.event:Event",
        "classify": "scionwood_audio.tasks.classify:Classify",
    },
    adapters={"text_bridge": "scionwood_audio.adapters.text_bridge:TextBridgeConfig"},
    commands={"layers": "scionwood_audio.verbs.layers:layers"},
    recipes="scionwood_audio.recipes",
    readers={"sound": "scionwood_audio.readers.sound:SoundReader"},
)

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
