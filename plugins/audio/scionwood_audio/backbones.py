"""The backbones that recipes name."""

from __future__ import annotations

from scionwood_audio.model.audio_visual import AudioVisual
from scionwood_audio.model.matcher import WordMatcher
from scionwood_audio.model.whisper import Whisper, WhisperText

__all__ = ["AudioVisual", "Whisper", "WhisperText", "WordMatcher"]
