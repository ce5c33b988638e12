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
    },
    data={"scenes": "scionwood_audio.data.scenes:Scenes"},
    tasks={"event": "scionwood_audio.tasks.event:Event"},
    adapters={"text_bridge": "scionwood_audio.adapters.text_bridge:TextBridgeConfig"},
    recipes="scionwood_audio.recipes",
    readers={"sound": "scionwood_audio.readers.sound:SoundReader"},
)

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
